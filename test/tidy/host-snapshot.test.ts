import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { mountsOf } from "../e2e/host-snapshot.ts";

it("a host's mounts are its own: other clusters and tests come and go meanwhile", () => {
  const own = join(tmpdir(), "r2k-own");
  const points = {
    kept: ["/", "/sys/fs/cgroup/cpu", join(own, "run/one/netns/node"), "/mnt/left", "/run/lock"],
    others: [
      "/run/r2k/default/netns/node",
      "/var/lib/r2k/default/kubelet/pods/u/volumes/v",
      join(tmpdir(), "r2k-other/run/two/netns/node"),
      "/run/netns/other",
    ],
  };
  const lines = [...points.kept, ...points.others].map((point, id) => {
    return `${id} 1 0:1 /root ${point} rw - tmpfs none rw`;
  });
  const found = mountsOf(`${lines.join("\n")}\n`, own);
  expect(found).toEqual(points.kept.map((point) => `/root ${point}`));
});
