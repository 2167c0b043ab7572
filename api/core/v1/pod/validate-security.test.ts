import { describe, expect, it } from "vitest";
import { messageOfField } from "../../../errors.ts";
import type { Pod, PodSpec } from "../../../gen/core/v1.ts";
import type { StrategyContext } from "../../../kind.ts";
import { pod } from "./pod.ts";

const ANNOTATION = "container.apparmor.security.beta.kubernetes.io/c";

const podOf = (spec: Partial<PodSpec>, annotations = {}): Pod => {
  const made: Pod = {
    metadata: { name: "p", namespace: "default", uid: "u", annotations },
    spec: { containers: [{ name: "c", image: "i" }], ...spec },
  };
  pod.strategy.defaults(made);
  return made;
};

function created(object: Pod): { pod: Pod; texts: string[] } {
  const texts: string[] = [];
  const context = { now_ms: 0, warn: (text) => texts.push(text) } as StrategyContext;
  pod.strategy.prepareCreate(object, context);
  return { pod: object, texts };
}

describe("AppArmor's annotation", () => {
  it.each([
    ["runtime/default", { type: "RuntimeDefault" }],
    ["unconfined", { type: "Unconfined" }],
    ["localhost/mine", { type: "Localhost", localhostProfile: "mine" }],
  ])("%s becomes the field of its container", (value, profile) => {
    const { pod: made, texts } = created(podOf({}, { [ANNOTATION]: value }));
    expect(made.spec.containers[0]!.securityContext).toEqual({ appArmorProfile: profile });
    expect(texts).toEqual([
      `metadata.annotations[${ANNOTATION}]: deprecated since v1.30; ` +
        'use the "appArmorProfile" field instead',
    ]);
  });

  it.each(["", "localhost/", "other"])("%j becomes nothing", (value) => {
    const { pod: made } = created(podOf({}, { [ANNOTATION]: value }));
    expect(made.spec.containers[0]!.securityContext).toBeUndefined();
  });

  it("says what the field says", () => {
    const appArmorProfile = { type: "Unconfined" as const };
    const spec = podOf({ securityContext: { appArmorProfile } }, { [ANNOTATION]: "localhost/x" });
    const context = { now_ms: 0 } as StrategyContext;
    expect(pod.strategy.validateCreate(spec, context).map(messageOfField)).toEqual([
      "spec.containers[0].securityContext.appArmorProfile.type: Forbidden: " +
        "apparmor type in annotation and field must match",
    ]);
  });
});

describe("a rule that is younger than a stored pod", () => {
  const context = { now_ms: 0 } as StrategyContext;
  const bad = () => {
    const object = podOf({
      securityContext: { appArmorProfile: { type: "Bogus" as "Localhost" } },
    });
    object.metadata.resourceVersion = "1";
    return object;
  };

  it("refuses no update that leaves the field as it is", () => {
    const next = bad();
    next.metadata.labels = { a: "b" };
    expect(pod.strategy.validateUpdate(next, bad(), context)).toEqual([]);
    const { strategy } = pod.subresources["ephemeralcontainers"]!;
    expect(strategy!.validateUpdate(next, bad(), context)).toEqual([]);
  });

  it("refuses one that breaks it elsewhere too", () => {
    const next = bad();
    next.spec.containers[0]!.securityContext = { appArmorProfile: { type: "" as "Localhost" } };
    const found = pod.strategy.validateUpdate(next, bad(), context).map((each) => each.field);
    expect(found).toContain("spec.containers[0].securityContext.appArmorProfile.type");
    expect(found).not.toContain("spec.securityContext.appArmorProfile.type");
  });
});

describe("a container that has ended", () => {
  const statusOf = (state: object, spec: Partial<Pod["spec"]>) => {
    const object = podOf(spec);
    object.metadata.resourceVersion = "1";
    const container = { name: "c", ready: false, restartCount: 0, image: "i", imageID: "", state };
    object.status = { containerStatuses: [container] } as NonNullable<Pod["status"]>;
    return object;
  };
  const transitions = (spec: Partial<Pod["spec"]>) => {
    const before = statusOf({ terminated: { exitCode: 0 } }, spec);
    const { strategy } = pod.subresources["status"]!;
    return strategy!
      .validateUpdate(statusOf({ running: {} }, spec), before, { now_ms: 0 } as StrategyContext)
      .map(messageOfField);
  };

  it("runs again only where its policy restarts it, or the rule of another restarts all", () => {
    expect(transitions({ restartPolicy: "Always" })).toEqual([]);
    const rule = { action: "RestartAllContainers", exitCodes: { operator: "In", values: [42] } };
    const initContainers = [{ name: "i", restartPolicyRules: [rule] }];
    expect(transitions({ restartPolicy: "Never", initContainers })).toEqual([]);
    expect(transitions({ restartPolicy: "Never" })).toEqual([
      "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
    ]);
  });
});

describe("an address in a pod's status", () => {
  const withAddress = (ip: string) => {
    const object = podOf({});
    object.metadata.resourceVersion = "1";
    object.status = { podIP: ip, podIPs: [{ ip }] } as NonNullable<Pod["status"]>;
    return object;
  };

  it("stays, but does not come, in a form that is refused", () => {
    const { strategy } = pod.subresources["status"]!;
    const update = (old: string) =>
      strategy!
        .validateUpdate(withAddress("010.1.2.3"), withAddress(old), {
          now_ms: 0,
        } as StrategyContext)
        .map(({ field }) => field);
    expect(update("010.1.2.3")).toEqual([]);
    expect(update("10.1.2.3")).toEqual(["status.podIPs[0]"]);
  });
});
