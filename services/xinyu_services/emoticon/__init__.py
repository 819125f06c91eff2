"""The emoticon room: each user's own collection of pictures to send."""
