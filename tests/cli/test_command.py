"""The command: help, speed, and error messages."""

import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli import main
from streams.cli.command import FORWARDED

ROOT = Path(__file__).parents[2]

HELP = """\
commands:
  COMMAND
    worker        score authorizations until SIGTERM, then drain and commit
    webhook       deliver alerts to a receiver over HTTPS, signed
    check-config  check a configuration and print a summary
    config        check, show, compare and explain configurations and policies
    topics        create the topics of a deployment
    dlq           list refused records, and redrive those that are valid now
    compliance    report on merchants, issuers and programmes of an acquirer
    lists         make lists of cards, devices, addresses and others
    score         decide one event from standard input, without Kafka
    schema        print a JSON Schema of the topics, or list them
    demo          run broker, worker and simulated fraud here, with a live view
    replay        send a table of transactions through a running worker
    simulate      write simulated authorizations with labelled fraud
    train         train a model and write its bundle
    backtest      measure policies over a table of past payments
    promote       compare a bundle with the current one, and put it in its place
    explain       explain a decision, and compute it again from the stored input

exit status:
  0  done
  1  input was refused: an event, a merchant record, a dead letter that was redriven, or a value of a list
  2  wrong usage or configuration
  3  a broker, port or file cannot be reached, a right is missing, or the worker halted (no unfinished input was
     committed)
  70 a bug, with a traceback; or the watchdog ended a stalled worker
"""


def sekisho(*words: str, stdin: bytes = b"", flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, *flags, "-c", "import sys; from streams.cli import main; sys.exit(main())", *words]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, check=False)


def test_help_lists_every_command_and_exit_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert HELP in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("worker",),
        ("check-config",),
        ("topics", "create"),
        ("dlq", "list"),
        ("dlq", "redrive"),
        ("score",),
        ("schema",),
    ],
)
def test_every_command_explains_itself(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: sekisho {' '.join(words)}")


def test_help_and_version_load_nothing_heavy() -> None:
    script = (
        "import sys; from streams.cli.command import main, parser; parser().format_help()\n"
        "heavy = {'numpy', 'numba', 'faust', 'aiokafka', 'lightgbm', 'prometheus_client', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_version_is_that_of_the_distribution() -> None:
    done = sekisho("--version")
    assert done.returncode == 0
    assert done.stdout.startswith(b"sekisho 0.")


@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_it_refuses_to_run_without_assertions(flag: str) -> None:
    done = sekisho("--version", flags=(flag,))
    assert done.returncode == 2
    assert b"python -O" in done.stderr


@pytest.mark.parametrize(
    "words",
    [(), ("wroker",), ("worker",), ("topics",), ("topics", "delete"), ("dlq",), ("dlq", "list"), ("score", "--conf")],
)
def test_wrong_usage_exits_with_2(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 2
    assert "usage: sekisho" in capsys.readouterr().err


def test_commands_with_their_own_parser_get_their_words_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[list[str]] = []
    monkeypatch.setitem(
        sys.modules, "a_test_command", type("Module", (), {"main": lambda argv: heard.append(argv) or 5})
    )
    for name in FORWARDED:
        monkeypatch.setitem(FORWARDED, name, ("a_test_command", ""))
        assert main([name, "--help", "--duration", "3"]) == 5
    assert heard == [["--help", "--duration", "3"]] * len(FORWARDED)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:

    def without_pyarrow(name: str) -> object:
        raise ModuleNotFoundError(name="pyarrow.parquet")

    monkeypatch.setattr("streams.cli.command.import_module", without_pyarrow)
    assert main(["train"]) == 2
    assert capsys.readouterr().err == "sekisho train: needs more packages: pip install 'sekisho[train]'\n"


def test_a_bug_does_not_look_like_a_refused_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(FORWARDED, "demo", ("no_such_module_of_ours", ""))
    assert main(["demo"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(name: str) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("streams.cli.command.import_module", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == ""
