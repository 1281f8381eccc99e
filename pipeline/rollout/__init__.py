"""Rollouts: an agent and a user talk, the environment executes, everything is recorded."""

from pipeline.rollout.agent import Agent
from pipeline.rollout.expert import ExpertAgent
from pipeline.rollout.loop import run_episode, system_prompt
from pipeline.rollout.user import ScriptedUser, User

__all__ = [
    "Agent",
    "ExpertAgent",
    "ScriptedUser",
    "User",
    "run_episode",
    "system_prompt",
]
