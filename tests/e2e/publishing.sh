#!/usr/bin/env bash
# The publishing workflow by curl, as a person types it. Ports stand where everybody expects them; --connect-to says where
# they are on this platform.
#   needs PASSWORD, MANAGEMENT (host:port), GATEWAY_TLS (host:port), CA (a file)
set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body --max-time 60 --cacert "$CA" \
  --connect-to "localhost:8085:$MANAGEMENT" --connect-to "api.router.inference-in-a-box:443:$GATEWAY_TLS" "$@"; }
say() { printf '%s\t' "$1"; tr -d '\n'; echo; }

export ADMIN_TOKEN=$(curl -X POST -H "Content-Type: application/json" \
  -d "{\"username\": \"admin\", \"password\": \"$PASSWORD\"}" \
  http://localhost:8085/api/admin/login | jq -r '.token')

curl -H "Authorization: Bearer $ADMIN_TOKEN" \
  http://localhost:8085/api/admin/system | say system

curl -X POST -H "Authorization: Bearer $ADMIN_TOKEN" \
  -H "Content-Type: application/json" \
  -d '{"name": "my-model", "framework": "sklearn", "storageUri": "pvc://models/sklearn-iris"}' \
  http://localhost:8085/api/models | say created

until [ "$(curl -H "Authorization: Bearer $ADMIN_TOKEN" http://localhost:8085/api/models/my-model | jq -r .ready)" = true ]; do
  [ $((tries = ${tries:-0} + 1)) -lt 300 ] && sleep 0.1
done

export API_KEY=$(curl -X POST -H "Authorization: Bearer $ADMIN_TOKEN" \
  -H "Content-Type: application/json" \
  -d '{
    "config": {
      "tenantId": "tenant-a",
      "publicHostname": "api.router.inference-in-a-box",
      "externalPath": "/models/my-model",
      "rateLimiting": {
        "requestsPerMinute": 100,
        "requestsPerHour": 5000
      }
    }
  }' \
  http://localhost:8085/api/models/my-model/publish | tee >(say published >&2) | jq -r .publishedModel.apiKey)

curl -X PUT -H "Authorization: Bearer $ADMIN_TOKEN" \
  -H "Content-Type: application/json" \
  -d '{
    "config": {
      "tenantId": "tenant-a",
      "publicHostname": "api.router.inference-in-a-box",
      "rateLimiting": {
        "requestsPerMinute": 200,
        "requestsPerHour": 10000
      }
    }
  }' \
  http://localhost:8085/api/models/my-model/publish | say updated

curl -H "X-API-Key: $API_KEY" \
  https://api.router.inference-in-a-box/models/my-model/predict \
  -d '{"instances": [[5.1, 3.5, 1.4, 0.2]]}' | say predicted

curl -X POST -H "X-API-Key: $API_KEY" http://localhost:8085/api/validate-api-key | say valid

curl -H "Authorization: Bearer $ADMIN_TOKEN" http://localhost:8085/api/published-models | say listed

curl -X POST -H "Authorization: Bearer $ADMIN_TOKEN" \
  http://localhost:8085/api/models/my-model/publish/rotate-key | say rotated

curl -X DELETE -H "Authorization: Bearer $ADMIN_TOKEN" http://localhost:8085/api/models/my-model/publish | say unpublished

curl -X DELETE -H "Authorization: Bearer $ADMIN_TOKEN" http://localhost:8085/api/models/my-model | say deleted
