"""Rows for those who judge risk and data: what is decided, refused, authenticated, declared, and with which model."""

from deploy.grafana.digests import DIGESTS, FLOODING
from deploy.grafana.lists import LISTS
from deploy.grafana.panels import Panel, Query, Row
from deploy.grafana.queries import WORKERS, rate, ratio, share

DECISIONS_TOTAL = "sekisho_decisions_total"
THREEDS_TOTAL = "sekisho_threeds_total"
NOT_ON_TIME = 'clock!="ON_TIME"'
EARLY = 'clock="EARLY"'

DECISIONS = Row(
    title="Decisions and alerts",
    panels=(
        Panel(
            title="Decision mix",
            description="Share of decisions by band. A jump without a policy change is an attack, "
            "a new kind of traffic or a broken field upstream.",
            unit="percentunit",
            queries=(Query(share(DECISIONS_TOTAL, "band"), "{{band}}"),),
            stacked="percent",
        ),
        Panel(
            title="Decisions above ALLOW",
            description="The same without ALLOW, so that the small bands can be read.",
            unit="percentunit",
            queries=(
                Query(ratio(rate(DECISIONS_TOTAL, 'band!="ALLOW"'), rate(DECISIONS_TOTAL), by="band"), "{{band}}"),
            ),
            stacked="normal",
        ),
        Panel(
            title="Alerts raised",
            description="Published alerts per second, by type and severity. Held back: by a suppression of the policy, "
            "so they are not among the published.",
            unit="ops",
            queries=(
                Query(f"sum by (type, severity) ({rate('sekisho_alerts_total')})", "{{type}} {{severity}}"),
                Query(f"sum ({rate('sekisho_alerts_suppressed_by_policy_total')})", "held back"),
            ),
            stacked="normal",
        ),
        Panel(
            title="Rules of the policy",
            description="Decisions per second for which the condition of a rule is true, by rule and mode. "
            "A rule in shadow changed nothing. Errors: decisions that a rule could not judge, "
            "because a value was missing.",
            unit="ops",
            queries=(
                Query(f"sum by (rule, mode) ({rate('sekisho_rule_hits_total')})", "{{rule}} {{mode}}"),
                Query(f"sum by (rule) ({rate('sekisho_rule_errors_total')})", "{{rule}} errors"),
            ),
        ),
        Panel(
            title="Rules that reached a cap",
            description="Decisions per second for which a rule asked for REVIEW instead of BLOCK, because it has "
            "blocked as many payments as it may in the hour. Any of them: SekishoRuleCapped.",
            unit="ops",
            queries=(Query(f"sum by (rule) ({rate('sekisho_rule_capped_total')})", "{{rule}}"),),
        ),
        Panel(
            title="Share of decisions that alert",
            description="What analysts are asked to look at, over 10 minutes. "
            "SekishoAlertStorm warns above 5 % (dashed). Whole deployment.",
            unit="percentunit",
            queries=(Query('job:sekisho_alerts:ratio_rate10m{job="$job"}', "alerts / decisions"),),
            thresholds=((0.05, "red"),),
        ),
        Panel(
            title="Share of alerts that join an open case",
            description="Repeats of an open case are counted and not raised again. "
            "Above 90 % (dashed), and many of them: SekishoAlertsMostlySuppressed. Whole deployment.",
            unit="percentunit",
            queries=(Query('job:sekisho_alerts_suppressed:ratio_rate10m{job="$job"}', "suppressed / all"),),
            thresholds=((0.9, "red"),),
            maximum=1,
        ),
        Panel(
            title="Incidents of enumeration",
            description="Open ones, and the attempts per second that they take: card numbers tried at one merchant. "
            "Each is one alert when it opens, grows tenfold or in severity, and ends. The alert names the merchant.",
            unit="short",
            queries=(
                Query(f"sum by (entity) (sekisho_incidents_open{{{WORKERS}}})", "open {{entity}}"),
                Query(f"sum ({rate('sekisho_incident_attempts_total')})", "attempts/s"),
                Query(f"sum by (state) ({rate('sekisho_incident_alerts_total')})", "{{state}}"),
            ),
        ),
        FLOODING,
        DIGESTS,
        Panel(
            title="Fraud reports",
            description="Reports applied per second (TC40, FLD, chargebacks, analysts' verdicts), by label. "
            "None for days means that the feed is broken, and the features of reported fraud have no data. "
            "EARLY ones have a time of receipt over 5 minutes after their record's and change no profile: "
            "a sender's clock is wrong.",
            unit="ops",
            queries=(
                Query(f"sum by (label) ({rate('sekisho_fraud_reports_total')})", "{{label}}"),
                Query(f"sum by (clock) ({rate('sekisho_fraud_report_times_total', EARLY)})", "{{clock}}"),
            ),
        ),
        Panel(
            title="Results of 3-D Secure",
            description="Results read, by transStatus, and claims by what the feed said of them. Many PENDING: the "
            "feed is late. MISSING: a merchant claims authentications that nobody ran, or the feed loses results.",
            unit="ops",
            queries=(
                Query(f"sum by (status) ({rate('sekisho_threeds_results_total')})", "{{status}}"),
                Query(f"sum by (clock) ({rate('sekisho_threeds_result_times_total', EARLY)})", "{{clock}}"),
                Query(f"sum by (result) ({rate('sekisho_threeds_claims_total')})", "{{result}}"),
            ),
        ),
    ),
)

REFUSED = Row(
    title="Dead letters and guard",
    panels=(
        Panel(
            title="Guard hits",
            description="Records that held a card number, security code, track or PIN data, in the chosen time: "
            "refused (an incident: the runbook's SekishoPanGuardHit), or decided without it (SekishoSensitiveField).",
            kind="stat",
            unit="short",
            queries=(
                Query(f"sum(increase(sekisho_pan_guard_hits_total{{{WORKERS}}}[$__range]))", "refused"),
                Query(
                    f'sum(increase(sekisho_sensitive_records_total{{{WORKERS}, action="stripped"}}[$__range]))',
                    "stripped",
                ),
            ),
            thresholds=((0.5, "red"),),
            width=4,
        ),
        Panel(
            title="Share of authorizations refused",
            description="Refused authorizations get no decision. SekishoDeadLetterRatioHigh warns above 1 % (dashed). "
            "Whole deployment.",
            unit="percentunit",
            queries=(Query('job:sekisho_dead_letters:ratio_rate5m{job="$job"}', "refused / events in"),),
            thresholds=((0.01, "red"),),
            width=6,
        ),
        Panel(
            title="Records refused, by reason",
            description="Dead letters per second over all inputs. "
            "A new reason that rises at once is a sender's release.",
            unit="ops",
            queries=(Query(f"sum by (reason) ({rate('sekisho_dead_letters_total')})", "{{reason}}"),),
            stacked="normal",
            width=8,
        ),
        Panel(
            title="Records refused, by input",
            description="Refused merchants change no merchant store; refused fraud reports count for nothing.",
            unit="ops",
            queries=(Query(f"sum by (topic) ({rate('sekisho_dead_letters_total')})", "{{topic}}"),),
            width=6,
        ),
        Panel(
            title="Unknown keys near a field",
            description="Unknown keys of authorizations per second, by the field of the contract that they resemble. "
            "Their values are not read. `sekisho score --explain` names the keys of an event.",
            unit="ops",
            queries=(Query(f"sum by (field) ({rate('sekisho_near_keys_total')})", "{{field}}"),),
            width=6,
        ),
        Panel(
            title="Keys that come twice",
            description="Authorizations per second in which an object has the same key twice: the last value counts.",
            unit="ops",
            queries=(Query(f"sum({rate('sekisho_repeated_keys_total')})", "events"),),
            width=6,
        ),
        Panel(
            title="Response codes in no list",
            description="Response codes per second that no list of the network holds on their day, by network: the "
            "issuer's answer is known only as far as `outcome.approved` tells. Often a switch has changed. "
            "`sekisho score --explain` names the events.",
            unit="ops",
            queries=(Query(f"sum by (network) ({rate('sekisho_unknown_response_codes_total')})", "{{network}}"),),
            width=6,
        ),
        Panel(
            title="Repeats",
            description="Events whose id is among the last six of their card, per second: senders that retry. "
            "They change nothing and have no decision.",
            unit="ops",
            queries=(Query(f"sum({rate('sekisho_repeats_total')})", "repeats"),),
            width=6,
        ),
        Panel(
            title="Events not on time",
            description="Decisions per second by the event's time relative to its record's. EARLY (over 5 minutes "
            "ahead) and LATE (over 24 hours behind) changed no profile: a sender's clock or queue. "
            "OUT_OF_ORDER events counted in their own window.",
            unit="ops",
            queries=(Query(f"sum by (clock) ({rate('sekisho_event_times_total', NOT_ON_TIME)})", "{{clock}}"),),
            width=6,
        ),
    ),
)

THREEDS = Row(
    title="EMV 3-D Secure",
    panels=(
        Panel(
            title="3-D Secure mix",
            description="Share of authorizations by normalised status. UNKNOWN: the event does not say. "
            "ABSENT: it says that there was none.",
            unit="percentunit",
            queries=(Query(share(THREEDS_TOTAL, "status"), "{{status}}"),),
            stacked="percent",
            width=12,
        ),
        Panel(
            title="Authenticated, of those attempted",
            description="AUTHENTICATED (transStatus Y) of all authorizations with a 3-D Secure result. "
            "A fall is an outage at a 3DS server or directory server, "
            "or a card-testing attack that fails its challenges.",
            unit="percentunit",
            queries=(
                Query(
                    ratio(
                        rate(THREEDS_TOTAL, 'status="AUTHENTICATED"'), rate(THREEDS_TOTAL, 'status!~"ABSENT|UNKNOWN"')
                    ),
                    "authenticated",
                ),
            ),
            maximum=1,
            width=4,
        ),
        Panel(
            title="Without 3-D Secure",
            description="ABSENT and UNKNOWN, of all authorizations: payments whose liability stays with the merchant.",
            unit="percentunit",
            queries=(Query(ratio(rate(THREEDS_TOTAL, 'status=~"ABSENT|UNKNOWN"'), rate(THREEDS_TOTAL)), "without"),),
            maximum=1,
            width=4,
        ),
        Panel(
            title="Exemptions in no list",
            description="Authorizations per second with an unknown `tds.exempt_reason`. "
            "It exempts nothing: ask the sender what it means.",
            unit="ops",
            queries=(Query(f"sum({rate('sekisho_unknown_exemptions_total')})", "unknown"),),
            width=4,
        ),
    ),
)

CHECKLIST = Row(
    title="Security Checklist",
    panels=(
        Panel(
            title="Traffic at merchants with a gap",
            description="Share of authorizations at merchants that declare a checklist item "
            "as not implemented, by item. Traffic, not merchants: a gap at a large merchant weighs more.",
            unit="percentunit",
            queries=(
                Query(ratio(rate("sekisho_checklist_gaps_total"), rate("sekisho_events_total"), by="item"), "{{item}}"),
            ),
            width=12,
        ),
        Panel(
            title="Gaps over the chosen time",
            description="Authorizations at merchants with each gap, over the whole time range of the page.",
            kind="bargauge",
            unit="short",
            queries=(
                Query(f"sum by (item) (increase(sekisho_checklist_gaps_total{{{WORKERS}}}[$__range]))", "{{item}}"),
            ),
            decimals=0,
            width=8,
        ),
        Panel(
            title="Merchants known",
            description="Merchants of the worker that has the fewest. An event at an unknown merchant is scored "
            "without checklist and 3-D Secure programme.",
            kind="stat",
            unit="short",
            queries=(Query(f"min(sekisho_merchants{{{WORKERS}}})", "merchants"),),
            thresholds=((0, "red"), (1, "green")),
            width=4,
        ),
        Panel(
            title="Merchants by standing",
            description="Merchants with reported fraud above the limit in months in a row, in Asia/Tokyo. "
            "The alerts of type MERCHANT with a standing name each of them.",
            unit="short",
            queries=(
                Query(f"sum by (standing) (sekisho_merchants_by_standing{{{WORKERS}}})", "{{standing}}"),
                Query(f"sum by (rows) (sekisho_merchant_rows_evicted_total{{{WORKERS}}})", "evicted {{rows}}"),
            ),
            decimals=0,
            width=16,
        ),
        Panel(
            title="Overdue at merchants",
            description="Merchants in Japan that were contracted without EMV 3-D Secure after the date, and merchants "
            "whose attestation of the Security Checklist is too old. The alerts of type MERCHANT with `overdue` name "
            "each of them.",
            unit="short",
            queries=(Query(f"sum by (what) (sekisho_merchants_overdue{{{WORKERS}}})", "{{what}}"),),
            decimals=0,
            width=8,
        ),
    ),
)

STATE = Row(
    title="State and model",
    panels=(
        Panel(
            title="Profiles held",
            description="Rows in use by entity. "
            "A flat line at the limit means that rows are evicted: raise the limit or accept it.",
            unit="short",
            queries=(Query(f"sum by (entity) (sekisho_profile_rows{{{WORKERS}}})", "{{entity}}"),),
        ),
        Panel(
            title="Memory",
            description="Memory reserved for profiles, and the whole process. "
            "The second may not grow once the first is set.",
            unit="bytes",
            queries=(
                Query(f"sum by (instance) (sekisho_profile_bytes{{{WORKERS}}})", "profiles {{instance}}"),
                Query(f"sum by (instance) (process_resident_memory_bytes{{{WORKERS}}})", "process {{instance}}"),
            ),
        ),
        Panel(
            title="CPU",
            description="Cores in use by worker. One worker uses one core: near 1, add a worker.",
            unit="short",
            queries=(Query(f"sum by (instance) ({rate('process_cpu_seconds_total')})", "{{instance}}"),),
            thresholds=((0.9, "red"),),
        ),
        Panel(
            title="Model in use",
            description="Model and feature version by worker. Two versions for long: SekishoVersionMismatch.",
            kind="table",
            unit="short",
            queries=(Query(f"sum by (instance, version, features) (sekisho_model_info{{{WORKERS}}})"),),
            height=6,
        ),
        Panel(
            title="Policy in use",
            description="Policy version by worker: it is in every decision as well.",
            kind="table",
            unit="short",
            queries=(Query(f"sum by (instance, version) (sekisho_policy_info{{{WORKERS}}})"),),
            height=6,
        ),
        Panel(
            title="Changes of the policy",
            description="Files that were taken into use, and files that were refused, in the last hour. "
            "SekishoPolicyRefused: the last good policy decides. Applied again: events after a takeover, by the policy "
            "that their published decisions name (RECORDED), or by that in use because its content is MISSING.",
            unit="short",
            queries=(
                Query(f"sum by (result) (increase(sekisho_policy_reloads_total{{{WORKERS}}}[1h]))", "{{result}}"),
                Query(
                    f"sum by (content) (increase(sekisho_policy_recalled_events_total{{{WORKERS}}}[1h]))",
                    "applied again, {{content}}",
                ),
            ),
            height=6,
        ),
        *LISTS,
        Panel(
            title="Release and uptime",
            description="Sekisho's version by worker, and seconds since it started.",
            unit="s",
            queries=(
                Query(
                    f"(time() - process_start_time_seconds{{{WORKERS}}}) * on (job, instance) group_left (version)"
                    f" sekisho_build_info{{{WORKERS}}}",
                    "{{instance}} {{version}}",
                ),
            ),
            height=6,
        ),
    ),
)
