import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { expect, test } from "vitest";
import { loopContext } from "../testing/loop-context.ts";
import { podOf } from "../testing/objects.ts";
import { startEphemeralVolumes } from "./ephemeralvolume.ts";

test("a pod's events say why the claim of its ephemeral volume cannot be made", async () => {
  const pod = podOf("p", { phase: "Pending" });
  const volumeClaimTemplate = { spec: { accessModes: ["ReadWriteOnce" as const] } };
  pod.spec.volumes = [{ name: "scratch", ephemeral: { volumeClaimTemplate } }];
  const { context, events } = loopContext({ pods: [pod] }, () => {
    throw new KubeError({ code: 403, message: "exceeded quota: small" });
  });
  const running = startEphemeralVolumes(context);
  await expect.poll(() => events).not.toEqual([]);
  expect(events[0]).toMatchObject({ about: "p", type: "Warning", reason: "FailedBinding" });
  expect(events[0]?.message).toMatch(
    /^ephemeral volume scratch: create PVC p-scratch: .*exceeded quota: small/,
  );
  await running.close();
});
