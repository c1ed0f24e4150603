"""Doing without approval, and what follows from it: owners that are alerted, and a review that somebody else closes.

Must not know Docker or Slack.
"""

from __future__ import annotations

from bot.approvals.deciding import Hearing, refuse_unknown
from bot.approvals.entries import event_of
from bot.consent import Approval, Decision, Review
from bot.errors import Conflict, PermissionDenied, UsageError
from bot.language import say, speaking
from bot.model import Button, Invocation, Reply, Right
from bot.stores.approvals import Verdict
from bot.stores.reviews import EVERY, Alarm
from bot.stores.runrow import Run


class BreakGlass:
    """Breaks the glass, and keeps at the review until it is closed."""

    def __init__(self, hearing: Hearing, language: str) -> None:
        """`language` is the one that owners are told in."""
        self._hearing = hearing
        self._store = hearing.store
        self._language = language

    def do(self, run_id: str, by: Invocation, reason: str) -> Review:
        """The run goes on without approval. Raises NotFound, PermissionDenied, Conflict; UsageError without reason."""
        run = self._hearing.runs.get(run_id)
        self._store.refuse_over(run_id)
        asked = self._asked(run_id)
        refuse_unknown(self._hearing.policy, by)
        self._refuse_unentitled(asked, by)
        if not reason.strip():
            raise UsageError(say("Breaking the glass needs a reason. Nothing was changed."))
        now = self._hearing.clock()
        review = Review(
            run_id=run_id,
            person=self._hearing.policy.identity(by.actor),
            actor=by.actor,
            reason=reason,
            roles=asked.roles,
            owners=tuple(dict.fromkeys(rule.owners for rule in asked.rules if rule.owners)),
            opened_at=now,
            remind_at=now + EVERY,
        )
        event = event_of(run, by, "break-glass", reason, digest=asked.digest, reason=reason)
        verdict = Verdict(decision=Decision.BROKEN, by=by.actor.name, reason=reason)
        self._store.break_glass(run_id, verdict, self._alarm(run, review), event)
        return review

    def review_of(self, run_id: str) -> Review | None:
        """What is, or was, to be looked at because of that run."""
        return self._store.reviews.of(run_id)

    def close_review(self, run_id: str, by: Invocation, note: str) -> None:
        """It was looked at by somebody else. Raises NotFound, PermissionDenied, Conflict, UsageError without a note."""
        run, review = self._hearing.runs.get(run_id), self.review_of(run_id)
        if review is None:
            raise Conflict(
                say(
                    "For run {run} no glass was broken, so there is no review. Nothing was changed.",
                    run=run_id,
                )
            )
        policy = self._hearing.policy
        refuse_unknown(policy, by)
        if policy.identity(by.actor) in (review.person, policy.identity(review.actor)):
            raise PermissionDenied(
                say(
                    "You broke the glass for run {run} yourself, so somebody else has to close its review. Nothing was "
                    "changed.",
                    run=run_id,
                )
            )
        is_admin = any(role.right is Right.ADMIN for role in policy.roles_of(by.actor))
        if not is_admin and not any(policy.has_role(by.actor, role) for role in review.roles):
            raise PermissionDenied(
                say(
                    "You may not close the review of run {run}: that is for role {roles} and administrators. Nothing "
                    "was changed.",
                    run=run_id,
                    roles=", ".join(review.roles),
                )
            )
        if not note.strip():
            raise UsageError(say("Closing a review needs a note of what was found. Nothing was changed."))
        event = event_of(run, by, "review-closed", note, reason=review.reason)
        self._store.reviews.close(run_id, by.actor, note, event)

    def tidy(self) -> None:
        """Remind of what is still open. Call it often, and after a start."""
        for review in self._store.reviews.due():
            run = self._hearing.runs.get(review.run_id)
            event = event_of(run, run.invocation, "review-reminded", review.reason, reason=review.reason)
            self._store.reviews.remind(self._alarm(run, review, is_first=False), event)

    def _asked(self, run_id: str) -> Approval:
        asked = self._store.of(run_id)
        if asked is None:
            raise LookupError(run_id)
        return asked

    def _refuse_unentitled(self, asked: Approval, by: Invocation) -> None:
        """Every rule must let this person do without it."""
        policy = self._hearing.policy
        shut = [
            rule
            for rule in asked.rules
            if not rule.break_glass or not policy.has_role(by.actor, rule.break_glass)
        ]
        if shut:
            raise PermissionDenied(
                say(
                    "You may not break the glass for run {run}: rule {rules} does not let you. Nothing was changed.",
                    run=asked.run_id,
                    rules=", ".join(rule.name for rule in shut),
                )
            )

    def _alarm(self, run: Run, review: Review, *, is_first: bool = True) -> Alarm:
        values = {
            "person": review.actor.name,
            "run": run.id,
            "line": run.invocation.line,
            "reason": review.reason,
            "at": review.opened_at,
        }
        with speaking(self._language):
            text = (
                say(
                    "{person} broke the glass: run {run} (`{line}`) goes on without approval. The reason given: "
                    "“{reason}” Somebody else has to look at it and close its review.",
                    **values,
                )
                if is_first
                else say(
                    "The review of run {run} (`{line}`) is still open: {person} broke the glass for it "
                    "{at:%Y-%m-%d %H:%M} UTC. The reason given: “{reason}”",
                    **values,
                )
            )
            offered = (
                Button(label=say("Close the review"), line=f"close-review {run.id}"),
                Button(label=say("Details"), line=f"details {run.id}"),
            )
        reply = Reply(text=text, buttons=offered, is_aloud=True)
        return Alarm(review=review, reply=reply, language=self._language, host=run.host)
