"""The registry door: the region's schemas over HTTP, as Confluent's clients ask for them.

Reading only. A schema comes into force by `bus contract publish` and `bus catalogue apply`; the
door answers from the catalogue in force and says the same as topic `_schemas`. `bus.gateway`
serves its routes.
"""

from bus.registry.handlers import routes

__all__ = ["routes"]
