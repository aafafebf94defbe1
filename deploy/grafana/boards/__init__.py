"""The seven boards: for whom, what they ask first, and by which queries."""

from __future__ import annotations

from typing import Final

from deploy.grafana.boards.connector import CONNECTOR
from deploy.grafana.boards.dataset import DATASET
from deploy.grafana.boards.flow import FLOW
from deploy.grafana.boards.health import HEALTH
from deploy.grafana.boards.letters import LETTERS
from deploy.grafana.boards.standards import STANDARDS
from deploy.grafana.boards.trust import TRUST

ALL: Final = (HEALTH, FLOW, STANDARDS, DATASET, LETTERS, CONNECTOR, TRUST)
