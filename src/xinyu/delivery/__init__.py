"""From a committed change to the gateways: outbox, dispatcher, routes, one Deliver a gateway."""
