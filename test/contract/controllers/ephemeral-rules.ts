import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { ControlPlane } from "./control-plane.ts";
import { isGone } from "./file-control-plane.ts";
import { controllerRef } from "./workload-fixture.ts";

const namespace = "default";
const TIMEOUT_MS = 60_000;

const SPEC: PersistentVolumeClaim["spec"] = {
  storageClassName: "",
  accessModes: ["ReadWriteOnce"],
  resources: { requests: { storage: "1Gi" } },
};

function podWithEphemeral(name: string): Pod {
  const volumeClaimTemplate = { metadata: { labels: { kept: "no" } }, spec: SPEC };
  return {
    metadata: { namespace, name },
    spec: {
      containers: [{ name: "c", image: "web:1" }],
      volumes: [{ name: "scratch", ephemeral: { volumeClaimTemplate } }],
    },
  };
}

/** The claims that every controller makes for the ephemeral volumes of pods. */
export function ephemeralRules(given: () => Pick<ControlPlane, "clock" | "admin">): void {
  const claims = () => given().admin.resource(PERSISTENT_VOLUME_CLAIMS);
  const pods = () => given().admin.resource(PODS);
  const until = <T>(what: string, probe: () => Promise<T>) =>
    waitFor(what, probe, { timeout_ms: TIMEOUT_MS });

  it("an ephemeral volume gets a claim of its own, which goes with the pod", async () => {
    await given()
      .admin.resource(PERSISTENT_VOLUMES)
      .create({
        metadata: { name: "ephemeral" },
        spec: {
          ...{ storageClassName: "", accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" } },
          hostPath: { path: "/srv/ephemeral" },
        },
      });
    const { metadata } = await pods().create(podWithEphemeral("user"));
    await until(
      "the pod to run",
      async () => (await pods().get({ namespace, name: "user" })).status?.phase === "Running",
    );
    const claim = await claims().get({ namespace, name: "user-scratch" });
    expect(claim.metadata.labels).toEqual({ kept: "no" });
    expect(claim.metadata.ownerReferences).toEqual([
      controllerRef("v1", "Pod", "user", metadata.uid),
    ]);
    await pods().delete({ namespace, name: "user" }, { gracePeriodSeconds: 0 });
    await until("the claim to be gone", () =>
      isGone(() => claims().get({ namespace, name: "user-scratch" })),
    );
  });

  it("a claim of that name that is another's is left alone, and the pod says so", async () => {
    await claims().create({ metadata: { namespace, name: "other-scratch" }, spec: SPEC });
    await pods().create(podWithEphemeral("other"));
    const condition = await until("the reason", async () => {
      const { status } = await pods().get({ namespace, name: "other" });
      return status?.conditions?.find(({ message }) => message?.includes("not owner"));
    });
    expect(condition?.message).toContain(
      "PVC default/other-scratch was not created for pod default/other (pod is not owner)",
    );
    const claim = await claims().get({ namespace, name: "other-scratch" });
    expect(claim.metadata.ownerReferences).toBeUndefined();
    await pods().delete({ namespace, name: "other" }, { gracePeriodSeconds: 0 });
    await claims().delete({ namespace, name: "other-scratch" });
  });
}
