"""The `on_handshake` hooks of a route: each step is asked, first to last, whether a client may come in, and with what answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import isawaitable, iscoroutinefunction

from wsrouter.api.causes import Reason
from wsrouter.api.errors import HandlerError
from wsrouter.api.handshake import Accept, Answer, HandshakeRequest, Refuse
from wsrouter.api.ports import Refusal
from wsrouter.pipeline.fence import Fence, must_be_plain
from wsrouter.pipeline.step import Step
from wsrouter.pipeline.tasks import is_cancelled

OnHandshake = Callable[[HandshakeRequest], Answer | Awaitable[Answer]]
Headers = Mapping[str, str | Sequence[str]]
Verdict = Accept | Refusal
"""What came of it: the answer of all steps together, or why the client stays outside."""


class Newcomers:
    """Asks the hooks of one route. What one raises keeps that client out with a 500, and is told and counted as any failure."""

    __slots__ = ("_fence", "_hooks", "is_async")

    def __init__(self, steps: Sequence[Step], fence: Fence) -> None:
        """`steps` in the order of the site."""
        self._hooks = [(step.name, step.on_handshake) for step in steps if step.on_handshake is not None]
        self._fence = fence
        self.is_async = any(iscoroutinefunction(hook) for _, hook in self._hooks)

    def __bool__(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._hooks)

    @property
    def names(self) -> str:
        """Whose hooks they are."""
        return ", ".join(name for name, _ in self._hooks)

    def ask(self, request: HandshakeRequest) -> Verdict:
        """Asks hooks none of which is async."""
        verdict: Verdict = Accept()
        for name, hook in self._hooks:
            try:
                verdict = self._add(verdict, hook(request), name, request)
            except BaseException as error:  # a plugin's sys.exit() must not end the daemon
                return self._failed(name, request, error)
            if isinstance(verdict, Refusal):
                return verdict
        return verdict

    async def ask_async(self, request: HandshakeRequest) -> Verdict:
        """Asks hooks some of which are async. Cancelled where the client leaves, or its time is up."""
        verdict: Verdict = Accept()
        for name, hook in self._hooks:
            try:
                answer = hook(request)
                verdict = self._add(verdict, await answer if isawaitable(answer) else answer, name, request)
            except BaseException as error:
                if is_cancelled(error):
                    raise
                return self._failed(name, request, error)
            if isinstance(verdict, Refusal):
                return verdict
        return verdict

    def _add(self, so_far: Verdict, answer: object, name: str, request: HandshakeRequest) -> Verdict:
        """What one hook says, on top of those before it: what it sets itself counts."""
        assert isinstance(so_far, Accept)
        if answer is None:
            return so_far
        if isinstance(answer, Refuse):
            return Refusal(Reason.REFUSED, answer.why, own_status=answer.status, route=self._fence.route, handler=name)
        must_be_plain(answer, "on_handshake")
        if not isinstance(answer, Accept):
            raise HandlerError(f"on_handshake returned {type(answer).__name__}; it may return None, Accept or Refuse")
        if answer.subprotocol is not None and answer.subprotocol not in request.subprotocols:
            offered = ", ".join(request.subprotocols[:10]) or "none"
            raise HandlerError(f"on_handshake chose the subprotocol {answer.subprotocol}, which the client does not offer; it offers {offered}")
        return Accept(subprotocol=answer.subprotocol or so_far.subprotocol, headers=_join(so_far.headers, answer.headers))

    def _failed(self, name: str, request: HandshakeRequest, error: BaseException) -> Refusal:
        self._fence.failed_before(request.peer, name, "on_handshake", error)
        return Refusal(Reason.HANDLER_ERROR, type(error).__name__, route=self._fence.route, handler=name)


def _join(before: Headers, answer: Headers) -> dict[str, str | Sequence[str]]:
    """The headers of both; what `answer` sets counts, in whatever case the other wrote its name."""
    names = {name.lower() for name in answer}
    return {**{name: value for name, value in before.items() if name.lower() not in names}, **answer}
