import { expect, it } from "vitest";
import { decodeJson } from "../../codec/json.ts";
import type { KubeObject } from "../../kind.ts";
import { kindOf } from "../../kinds.ts";

const kind = kindOf("apps", "v1", "StatefulSet")!;

function complaints(start: number): string[] {
  const labels = { app: "db" };
  const container = { name: "c", image: "c:1" };
  const { object } = decodeJson<KubeObject>(kind.schema, {
    metadata: { namespace: "default", name: "db" },
    spec: {
      replicas: 3,
      ordinals: { start },
      selector: { matchLabels: labels },
      serviceName: "db",
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
