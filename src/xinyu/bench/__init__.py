"""Load for WebSocket servers, ours and others': what is behind `xinyu bench`.

A scenario (echo, idle, fanout, connect, churn) takes its options, drives `clients.Clients` (the compiled load generator
with deadlines, progress and meters around it) and answers a `report.Report`.
"""
