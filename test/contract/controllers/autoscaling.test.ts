// Takes turns, autoscalers: both files have one scale by what pods use, here in many cases, in
// autoscaler-crashes.test.ts while its process is killed, lags, or has a rival.

import { afterAll, beforeAll, describe } from "vitest";
import { type FakeKubelet, startFakeKubelet } from "../../../testing/apiserver/fake-kubelet.ts";
import { autoscalerRules, PodUses } from "./autoscaler-rules.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { hasUpstreamManagers, startUpstreamManagers } from "./upstream-managers.ts";

const SYNC = { "horizontal-pod-autoscaler-sync-period": "1s" };

const MANAGERS = {
  "our controllers": {
    possible: true,
    start: () => startControlPlane({ autoscalers: { syncPeriod_ms: 1_000 } }),
  },
  "kube-controller-manager 1.36": {
    possible: hasUpstreamManagers(),
    start: () =>
      startControlPlane({ startOthers: (others) => startUpstreamManagers(others, SYNC) }),
  },
};

for (const [name, { possible, start }] of Object.entries(MANAGERS)) {
  describe.skipIf(!possible)(`autoscalers by ${name}`, () => {
    let plane: ControlPlane;
    let uses: PodUses;
    let kubelet: FakeKubelet;
    let node: HollowKubelet;

    beforeAll(async () => {
      plane = await start();
      uses = new PodUses(plane);
      kubelet = await startFakeKubelet(plane.ca, () => uses.text(), plane.clock.now());
      const allocatable = { cpu: "100", memory: "100Gi" };
      node = await startHollowKubelet(plane, "n1", { port: kubelet.port, allocatable });
    });
    afterAll(async () => {
      await node.close();
      await kubelet.close();
      await uses.close();
      await plane.close();
    });

    autoscalerRules(() => plane);
  });
}
