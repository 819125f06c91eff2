"""The contact room: friendships, requests, folders; the truth about who may write to whom."""
