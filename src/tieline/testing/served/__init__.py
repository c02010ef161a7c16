"""A real server for tests of an agent: `AgentServer` starts it, `Talk` is one call to it, for tests without asyncio."""

from tieline.testing.served.agent_server import AgentServer
from tieline.testing.served.loop_thread import LoopThread
from tieline.testing.served.talk import Talk

__all__ = ["AgentServer", "LoopThread", "Talk"]
