"""The main job: stages joined over a run folder, each resumable, with a manifest of how it was made."""
