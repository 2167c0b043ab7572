import { describe, expect, it } from "vitest";
import { decodeJson } from "../../codec/json.ts";
import { messageOfField } from "../../errors.ts";
import type { Deployment } from "../../gen/apps/v1.ts";
import { deployment } from "./deployment.ts";

const CONTEXT = { now_ms: 0 };

function made(spec: object): Deployment {
  const { object } = decodeJson<Deployment>("apps/v1.Deployment", {
    metadata: { name: "web", namespace: "default", resourceVersion: "1" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: { containers: [{ name: "c", image: "web:1" }] },
      },
      ...spec,
    },
  });
  deployment.strategy.defaults(object);
  deployment.strategy.prepareCreate(object, CONTEXT);
  return object;
}

function complaints(spec: object): string {
  return deployment.strategy.validateCreate(made(spec), CONTEXT).map(messageOfField).join("\n");
}

describe("a Deployment", () => {
  it("is filled", () => {
    const { spec, status, metadata } = made({});
    expect(spec).toMatchObject({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: {
        type: "RollingUpdate",
        rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" },
      },
      template: { spec: { restartPolicy: "Always", dnsPolicy: "ClusterFirst" } },
    });
    expect(status).toEqual({});
    expect(metadata.generation).toBe(1);
    expect(complaints({})).toBe("");
  });

  it.each([
    [{ replicas: -1 }, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
    [{ selector: {} }, "empty selector is invalid for deployment"],
    [
      { selector: { matchLabels: { app: "db" } } },
      "spec.template.metadata.labels: " +
        'Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    [
      { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } },
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: " +
        "may not be 0 when `maxSurge` is 0",
    ],
    [{ strategy: { rollingUpdate: { maxUnavailable: "101%" } } }, "must not be greater than 100%"],
    [
      { strategy: { type: "Recreate", rollingUpdate: {} } },
      "may not be specified when strategy `type` is 'Recreate'",
    ],
    [{ minReadySeconds: 600 }, "must be greater than minReadySeconds"],
  ])("with %j is refused", (spec, message) => {
    expect(complaints(spec)).toContain(message);
  });

  it("keeps its selector and raises its generation", () => {
    const old = made({});
    const object = made({ replicas: 3, selector: { matchLabels: { app: "x" } } });
    deployment.strategy.prepareUpdate(object, old, CONTEXT);
    expect(object.metadata.generation).toBe(2);
    expect(
      deployment.strategy.validateUpdate(object, old, CONTEXT).map(messageOfField).join(),
    ).toContain("field is immutable");
  });

  it("is scaled through its view", () => {
    const object = made({ replicas: 2 });
    const view = deployment.subresources.scale!.view!;
    expect(view.read(object)).toMatchObject({
      kind: "Scale",
      spec: { replicas: 2 },
      status: { replicas: 0, selector: "app=web" },
    });
    const wanted = { ...view.read(object), spec: { replicas: 5 } };
    expect(view.write(object, wanted)).toEqual([]);
    expect(object.spec.replicas).toBe(5);
    const negative = { ...wanted, spec: { replicas: -1 } } as typeof wanted;
    expect(view.write(object, negative)).toHaveLength(1);
  });
});
