import { type FakeKubelet, startFakeKubelet } from "../../../testing/apiserver/fake-kubelet.ts";
import { afterAll, beforeAll, describe } from "vitest";
import { autoscalerRules, PodUses } from "./autoscaler-rules.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { hasUpstreamManagers, startUpstreamManagers } from "./upstream-managers.ts";
import { startWorld, type World } from "./world.ts";

const TIMEOUT_MS = 180_000;
const SYNC = { "horizontal-pod-autoscaler-sync-period": "1s" };

const MANAGERS = {
  "our controllers": {
    possible: true, start: () => startWorld({ autoscalers: { syncPeriod_ms: 1_000 } }),
  },
  "kube-controller-manager 1.36": {
    possible: hasUpstreamManagers(),
    start: () => startWorld({ startOthers: (others) => startUpstreamManagers(others, SYNC) }),
  },
};

for (const [name, { possible, start }] of Object.entries(MANAGERS)) {
  describe.skipIf(!possible)(`autoscalers by ${name}`, { timeout: TIMEOUT_MS }, () => {
    let world: World;
    let uses: PodUses;
    let kubelet: FakeKubelet;
    let node: HollowKubelet;

    beforeAll(async () => {
      world = await start();
      uses = new PodUses(world);
      kubelet = await startFakeKubelet(world.ca, () => uses.text(), world.clock.now());
      const allocatable = { cpu: "100", memory: "100Gi" };
      node = await startHollowKubelet(world, "n1", { port: kubelet.port, allocatable });
    }, TIMEOUT_MS);
    afterAll(async () => {
      await node.close();
      await kubelet.close();
      await uses.close();
      await world.close();
    }, TIMEOUT_MS);

    autoscalerRules(() => world);
  });
}
