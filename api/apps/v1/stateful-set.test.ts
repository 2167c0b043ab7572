import { expect, it } from "vitest";
import { decodeJson } from "../../codec/json.ts";
import type { KubeObject } from "../../kind.ts";
import { kindOf } from "../../kinds.ts";
import { CLAIM_TEMPLATES_MAX } from "../../limits.ts";

const kind = kindOf("apps", "v1", "StatefulSet")!;

function complaints(start: number, claims = 0): string[] {
  const claim = {
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1" } } },
  };
  const labels = { app: "db" };
  const container = { name: "c", image: "c:1" };
  const { object } = decodeJson<KubeObject>(kind.schema, {
    metadata: { namespace: "default", name: "db" },
    spec: {
      replicas: 3,
      ordinals: { start },
      selector: { matchLabels: labels },
      serviceName: "db",
      volumeClaimTemplates: Array.from({ length: claims }, (_, at) => ({
        metadata: { name: `d${at}` },
        ...claim,
      })),
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  });
  kind.strategy.defaults(object);
  return kind.strategy.validateCreate(object, { now_ms: 0 }).map(({ field }) => field);
}

// As upstream: the sum of start and replicas has no bound, so ordinals may go past 2^31 - 1.
it("ordinals start at any int32 that is not negative", () => {
  expect(complaints(2 ** 31 - 1)).toEqual([]);
  expect(complaints(-1)).toEqual(["spec.ordinals.start"]);
});

it("has a bound of claim templates", () => {
  expect(complaints(0, CLAIM_TEMPLATES_MAX)).toEqual([]);
  expect(complaints(0, CLAIM_TEMPLATES_MAX + 1)).toEqual(["spec.volumeClaimTemplates"]);
});

it("drops maxUnavailable, which no controller reads", () => {
  const updateStrategy = { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 2 } };
  const { object } = decodeJson<KubeObject & { spec: object }>(kind.schema, {
    metadata: { namespace: "default", name: "db" },
    spec: { updateStrategy, template: { spec: { containers: [] } } },
  });
  kind.strategy.prepareCreate(object, { now_ms: 0 });
  expect(object.spec).toMatchObject({ updateStrategy: { rollingUpdate: {} } });
  expect(JSON.stringify(object.spec)).not.toContain("maxUnavailable");
});
