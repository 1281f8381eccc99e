"""A hand-checked case says what happens, or its error says what is wrong with it and where."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from pipeline.errors import BadInput, Unverified
from pipeline.trust.cases import load_cases, truth_file
from pipeline.trust.truth import Bench, Tried, bench_of, conversation, main

OPENING = "- {user: opening}"
LOOK = (
    "- {calls: [{find_member: {email: $email}, as: member}, {list_loans: {member_id: $member.member_id}, as: loans}]}"
)
END = '- {agent: "It is due on {{ due_on | day }}."}'


@pytest.fixture(scope="module")
def bench(toy: Path) -> Bench:
    return bench_of(toy)


def written(folder: Path, *turns: str, head: str = "intent: when_due") -> Path:
    """A file with one case."""
    lines = ["- name: the_case", "  label: pass", "  why: Somebody looked at it closely.", *(f"  {head}".splitlines())]
    file = folder / "toy.yaml"
    file.write_text("\n".join([*lines, "  turns:", *(f"    {turn}" for turn in turns)]) + "\n", encoding="utf-8")
    return file


def play(bench: Bench, folder: Path, *turns: str, head: str = "intent: when_due") -> Tried:
    return bench.play(load_cases(written(folder, *turns, head=head)), 0)


def problem(bench: Bench, folder: Path, *turns: str, head: str = "intent: when_due") -> str:
    with pytest.raises(BadInput) as error:
        play(bench, folder, *turns, head=head)
    return str(error.value)


def test_a_case_is_played_with_the_draw_and_what_was_seen(bench: Bench, tmp_path: Path) -> None:
    tried = play(bench, tmp_path, OPENING, LOOK, '- {agent: "{{ loans.0.title }}? It is due on {{ due_on | day }}."}')
    goal, calls = tried.task.goals[0], tried.trajectory.calls
    assert orjson.loads(calls[0].arguments) == {"email": goal.values["email"]}
    assert orjson.loads(calls[1].arguments) == {"member_id": orjson.loads(calls[0].result or "")["member_id"]}
    last = tried.trajectory.messages[-1].content or ""
    assert last.startswith(orjson.loads(calls[1].result or "")[0]["title"])
    assert tried.trajectory.messages[1].content == goal.opening
    assert tried.passed and tried.as_labelled
    assert [call.turn for call in calls] == [1, 2], "each call is in a message of its own"


def test_the_same_case_is_the_same_conversation_and_another_seed_another(bench: Bench, tmp_path: Path) -> None:
    one, two = (play(bench, tmp_path, OPENING, LOOK, END) for _ in range(2))
    assert one.trajectory == two.trajectory
    other = play(bench, tmp_path, OPENING, LOOK, END, head="intent: when_due\n  seed: 1")
    assert other.task.goals[0].values != one.task.goals[0].values


def test_a_call_that_does_not_go_as_written_is_an_error_and_no_verdict(bench: Bench, tmp_path: Path) -> None:
    text = problem(bench, tmp_path, OPENING, "- {calls: [{find_member: {email: a@b.example}}]}", END)
    assert "toy.yaml:7" in text and "No member has this e-mail address" in text and "refused: true" in text
    text = problem(bench, tmp_path, OPENING, "- {calls: [{find_member: {email: $email}, refused: true}]}", END)
    assert "succeeds" in text and "toy.yaml:7" in text
    text = problem(
        bench, tmp_path, OPENING, LOOK, END, head="intent: when_due\n  faults: [{tool: renew_loan, kind: timeout}]"
    )
    assert "timeout strikes no call of renew_loan" in text


def test_a_refused_or_malformed_call_can_be_written(bench: Bench, tmp_path: Path) -> None:
    calls = "- {calls: [{find_member: {email: a@b.example}, refused: true}, {find_member: '{\"email', refused: true}]}"
    tried = play(bench, tmp_path, OPENING, calls, LOOK, END)
    assert [call.ok for call in tried.trajectory.calls] == [False, False, True, True]
    assert tried.trajectory.calls[1].arguments == '{"email'


def test_a_call_of_the_users_own_comes_before_their_words_and_is_theirs(bench: Bench, tmp_path: Path) -> None:
    tried = play(
        bench,
        tmp_path,
        OPENING,
        LOOK,
        '- {agent: "What does the library app show at the top?"}',
        '- {user: "It says {{ app.account }}.", does: [{look_at_app: {email: $email}, as: app}]}',
        '- {agent: "Please refresh it."}',
        '- {user: "Now it says {{ fresh.refreshed_on }}.", does: [{refresh_app: {email: $email}, as: fresh}]}',
        END,
        head="intent: app_is_behind",
    )
    own = [call for call in tried.trajectory.calls if call.actor == "user"]
    assert [call.name for call in own] == ["look_at_app", "refresh_app"]
    said = [message.content for message in tried.trajectory.messages if message.role == "user"]
    assert said[1:] == ["It says signed in.", f"Now it says {orjson.loads(own[1].result or '')['refreshed_on']}."]
    assert tried.passed
    assert any("[by the user]" in line for line in conversation(tried.trajectory))


@pytest.mark.parametrize(
    ("turns", "head", "says"),
    [
        ((OPENING, '- {agent: "{{ nothing }}"}'), "intent: when_due", "'nothing' is undefined"),
        ((OPENING, "- {calls: [{find_member: {email: $mail}}]}", END), "intent: when_due", "$mail: there is no mail"),
        ((OPENING, LOOK, "- {calls: [{list_loans: {member_id: $member.x}}]}", END), "intent: when_due", "no x in"),
        ((OPENING, END, "- {user: push}", END), "intent: when_due", "no words for 'push'"),
        ((OPENING, END, "- {user: 'tell:email'}", END), "intent: when_due", "does not tell 'email'"),
        ((OPENING, END, "- {user: next}", END), "intent: when_due", "there is no next request"),
        ((OPENING, END), "intent: sell_it", "there is no intent 'sell_it'"),
        ((OPENING, END), "intents: [borrow_with_fines, borrow_with_note]", "no task comes of it"),
        ((END, OPENING), "intent: when_due", "the user begins"),
        ((OPENING, LOOK), "intent: when_due", "after number 2 comes the agent's message"),
        ((OPENING, LOOK, "- {user: Well?}", END), "intent: when_due", "after number 2 comes the agent's message"),
        ((OPENING, END, END), "intent: when_due", "the user answers before"),
        ((OPENING, "- {agent: Hm., user: Well?}"), "intent: when_due", "the user's (user, does) or the agent's"),
        ((OPENING, "- {calls: [{a: {}, b: {}}]}", END), "intent: when_due", "a call is one `tool: {arguments}`"),
        ((OPENING, END), "intent: when_due\n  lable: pass", "unknown key"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_named_with_file_and_line(
    bench: Bench, tmp_path: Path, turns: tuple[str, ...], head: str, says: str
) -> None:
    text = problem(bench, tmp_path, *turns, head=head)
    assert says in text
    assert "toy.yaml:" in text


def test_two_cases_of_one_name_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path, OPENING, END)
    file.write_text(file.read_text() * 2, encoding="utf-8")
    with pytest.raises(BadInput, match="two cases are called the_case"):
        load_cases(file)


def test_who_writes_cases_sees_how_each_was_judged(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert truth_file("toy") is not None and truth_file("nowhere") is None
    assert main([str(toy)]) == 0
    assert "polite_lie_about_a_renewal: label fail, verdict fail" in capsys.readouterr().out
    main([str(toy), "polite_lie_about_a_renewal"])
    text = capsys.readouterr().out
    assert "find_member(" in text and "renewals" in text.partition("label fail, verdict fail")[2]
    main([str(toy), "hold_until"])
    assert "tell:pickup_by" in capsys.readouterr().out
    with pytest.raises(BadInput, match="no case or intent 'nothing'"):
        main([str(toy), "nothing"])


def test_a_wrong_label_is_pointed_out(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, OPENING, '- {agent: "Somewhen."}')
    monkeypatch.setattr("pipeline.trust.truth.truth_file", lambda _: file)
    with pytest.raises(Unverified):
        main([str(toy)])
    assert "WRONG  the_case: label pass, verdict fail" in capsys.readouterr().out
