import { mkdirSync, realpathSync } from "node:fs";
import path from "node:path";
import { MountFlag, mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import {
  type Mount,
  MountPropagation,
  NamespaceMode,
  type PodSandboxConfig,
} from "@raft2kube/proto/gen/cri.ts";
import { beforeEach, expect, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { volumeMounts } from "./mounts.ts";
import { hostUser, podIdsOf } from "./pod-ids.ts";

const mapping = { containerId: 0, hostId: 131_072, length: 65_536 };
const usernsOptions = { mode: NamespaceMode.POD, uids: [mapping], gids: [mapping] };
const ids = podIdsOf(usernsOptions);

let folder: string;
beforeEach(() => {
  folder = realpathSync(testFolder("r2k-pod-ids-"));
  mkdirSync(path.join(folder, "beneath"));
});

test("an id that a pod does not have is refused: on the node it is another pod's", () => {
  const sandbox = {
    linux: { securityContext: { namespaceOptions: { usernsOptions } } },
  } as unknown as PodSandboxConfig;
  const of = (uid: number, gid: number) => hostUser(sandbox, { uid, gid, additionalGids: [] });
  expect(of(65_535, 0)).toEqual({ uid: 196_607, gid: 131_072 });
  expect(() => of(65_536, 0)).toThrow("user 65536 is not an id of the pod");
  expect(() => of(0, 70_000)).toThrow("group 70000 is not an id of the pod");
  expect(() => of(65_536, 0)).toThrow(
    expect.objectContaining({ remedy: expect.stringContaining("hostUsers: true") }),
  );
});

const volume = (propagation: MountPropagation): Mount => ({
  containerPath: "/m",
  hostPath: folder,
  readonly: false,
  selinuxRelabel: false,
  propagation,
  uidMappings: [mapping],
  gidMappings: [mapping],
  recursiveReadOnly: false,
  image: undefined,
  imageSubPath: "",
});

test.runIf(process.getuid?.() === 0)("a mapped volume has no mounts beneath it", () => {
  const asked = [volume(MountPropagation.PROPAGATION_PRIVATE)];
  const beneath = path.join(folder, "beneath");
  expect(volumeMounts(asked, ids)).toMatchObject([{ source: folder }]);
  mount({ source: "t", target: beneath, type: "tmpfs" });
  try {
    expect(() => volumeMounts(asked, ids)).toThrow(`${beneath} is mounted beneath it`);
  } finally {
    unmount(beneath);
  }
});

test("a source and the list of mounts are looked at once for a container's many mounts", () => {
  const one = volume(MountPropagation.PROPAGATION_PRIVATE);
  const asked = Array.from({ length: 100 }, (_, i) => ({ ...one, containerPath: `/${i}` }));
  const [read, lookUp] = [vi.fn(readMountInfo), vi.fn(() => folder)];
  expect(volumeMounts(asked, ids, { read, lookUp })).toHaveLength(100);
  expect([read, lookUp].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
});

test.runIf(process.getuid?.() === 0)("mounts do not propagate into a mapped volume", () => {
  mount({ source: "t", target: folder, type: "tmpfs" });
  try {
    mount({ source: "none", target: folder, flags: MountFlag.shared });
    expect(() =>
      volumeMounts([volume(MountPropagation.PROPAGATION_HOST_TO_CONTAINER)], ids),
    ).toThrow("its propagation is not private");
  } finally {
    unmount(folder);
  }
});
