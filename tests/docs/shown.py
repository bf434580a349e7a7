"""Generated pages of the site, made once for all tests."""

from functools import cache

from deploy.site import build, options

configuration = cache(options.page)
generated = cache(build.generated)
