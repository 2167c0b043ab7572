import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { CSI_VOLUMES_AT_ONCE_MAX } from "../limits.ts";
import type { CsiDrivers } from "../plugins/csi-drivers.ts";
import { type CsiPluginOptions, csiPlugin } from "./csi.ts";
import { FilesBudget } from "./files.ts";
import { VolumesInUse } from "./volumes-in-use.ts";

const DRIVER = "inline.example.com";

/** The plugin of a driver whose calls are `node`, and how a pod's volume is set up and removed. */
function pluginWith(dir: string, node: object) {
  const driver = { name: DRIVER, capabilities: new Set(), node };
  const plugin = csiPlugin({
    rootDir: dir,
    nodeName: "n1",
    drivers: { require: () => driver } as unknown as CsiDrivers,
    objects: {
      csiDriver: async () => ({
        metadata: { name: DRIVER },
        spec: { attachRequired: false, volumeLifecycleModes: ["Ephemeral"] },
      }),
    } as unknown as CsiPluginOptions["objects"],
    inUse: new VolumesInUse(),
    // Its time stands still: no turn ends before its work.
    clock: new ManualClock(),
  });
  const pod = { metadata: { name: "p", namespace: "n", uid: "p" }, spec: { containers: [] } };
  const dirOf = (name: string) => path.join(dir, "pods/p/volumes/kubernetes.io~csi", name);
  const setUp = async (name: string) => {
    await mkdir(path.dirname(dirOf(name)), { recursive: true });
    const spec = { name, volume: { name, csi: { driver: DRIVER } } };
    const how = { fsGroup: undefined, readOnly: false, budget: new FilesBudget() };
    await plugin.setUp({ pod, spec, dir: dirOf(name), ...how });
  };
  const tearDown = (name: string) =>
    plugin.tearDown({ podUid: "p", volumeName: name, dir: dirOf(name), inside: undefined });
  return { dirOf, setUp, tearDown };
}

test("a driver works on some volumes at a time, however many a pod has", async () => {
  const open = Promise.withResolvers<void>();
  let underWay = 0;
  let most = 0;
  const nodePublishVolume = async () => {
    most = Math.max(most, ++underWay);
    await open.promise;
    underWay--;
    return {};
  };
  const { dirOf, setUp } = pluginWith(testFolder("r2k-csi-turns-"), { nodePublishVolume });
  const names = Array.from({ length: 3 * CSI_VOLUMES_AT_ONCE_MAX }, (_, n) => `v${n}`);
  const mounted = names.map(setUp);
  const begun = (name: string) => existsSync(path.join(dirOf(name), "vol_data.json"));
  const places = () => underWay >= CSI_VOLUMES_AT_ONCE_MAX && names.every(begun);
  await waitFor("as many calls as there are places", places);
  open.resolve();
  await Promise.all(mounted);
  expect(most).toBe(CSI_VOLUMES_AT_ONCE_MAX);
});

test("an inline volume is removed without a look at those of all other pods", async () => {
  const dir = testFolder("r2k-csi-turns-");
  const node = { nodePublishVolume: async () => ({}), nodeUnpublishVolume: async () => ({}) };
  const { dirOf, setUp, tearDown } = pluginWith(dir, node);
  await setUp("v");
  // Reading it fails.
  const other = path.join(dir, "pods/other/volumes/kubernetes.io~csi/v/vol_data.json");
  await mkdir(other, { recursive: true });
  await tearDown("v");
  expect(existsSync(dirOf("v"))).toBe(false);
});
