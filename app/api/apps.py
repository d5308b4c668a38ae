from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "api"

    def ready(self) -> None:
        from agenda.forgetting import ON_FORGOTTEN  # noqa: PLC0415 - models must be loaded first
        from api.services import tombstones_add  # noqa: PLC0415

        ON_FORGOTTEN.append(tombstones_add)
