"""The message room: talks, their members and messages; everything that is led by talk_id."""
