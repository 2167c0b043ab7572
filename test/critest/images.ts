import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { busyboxEntries, IMAGE_PATH } from "@raft2kube/runtime/build/busybox.ts";
import type { ImageRecipe } from "@raft2kube/runtime/build/image-builder.ts";
import type { ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import type { TarInput } from "@raft2kube/runtime/image/tar/write.ts";
import { BUSYBOX } from "../contract/cri/ours.ts";

const STAGING = "gcr.io/k8s-staging-cri-tools";
const TESTS = "registry.k8s.io/e2e-test-images";

/** The images that critest pulls, made of this machine's busybox and two programs of the peer. */
export async function imagesOf(peer: string): Promise<ImageRecipe[]> {
  const applets = await busyboxEntries(BUSYBOX);
  const entries: TarInput[] = [
    // Links of upstream's image: each may be masked alone.
    ...applets.map((entry) => {
      if (entry.type !== "symlink") return entry;
      const { name } = entry;
      return { name, type: "link" as const, mode: 0o755, linkname: "bin/busybox" };
    }),
    // Applets that the busybox of Debian lacks.
    { name: "bin/ipcs", mode: 0o755, content: "#!/bin/sh\ncat /proc/sysvipc/shm\n" },
    { name: "bin/pgrep", mode: 0o755, content: '#!/bin/sh\nexec pidof "$@"\n' },
  ];
  const base: ImageDefaults = { Env: [IMAGE_PATH], Cmd: ["sh"] };
  const image = (name: string, config: ImageDefaults = {}) => {
    return { name, entries, config: { ...base, Labels: { name }, ...config } };
  };
  const nginx = await readFile(join(peer, "web"));
  const web = (name: string, port: number) => ({
    name,
    entries: [
      ...entries,
      { name: "var/run/", type: "directory" as const, mode: 0o755 },
      { name: "usr/sbin/nginx", mode: 0o755, content: nginx },
    ],
    config: { Env: [IMAGE_PATH, `PORT=${port}`], Cmd: ["/usr/sbin/nginx"] },
  });
  const nonewprivs = await readFile(join(peer, "nonewprivs"));
  const groups = "default-user:x:1000:1000::/:/bin/sh\n";
  const users = [
    ["uid", "1002"],
    ["username", "www-data"],
    ["uid-group", "1003:1004"],
    ["username-group", "www-data:1004"],
  ] as const;
  return [
    image(`${TESTS}/busybox:1.29-2`),
    web(`${TESTS}/nginx:1.14-2`, 80),
    web(`${TESTS}/httpd:2.4.39-4`, 80),
    web(`${STAGING}/hostnet-nginx-amd64:latest`, 12_003),
    {
      name: `${TESTS}/nonewprivs:1.3`,
      entries: [{ name: "nnp", mode: 0o4755, content: nonewprivs }],
      config: { Entrypoint: ["/nnp"] },
    },
    ...["test-image-latest:latest", "test-image-tag:test", "test-image-tag:all"].map((name) =>
      image(`${STAGING}/${name}`),
    ),
    ...[1, 2, 3].map((number) => image(`${STAGING}/test-image-${number}:latest`)),
    // One image of three names.
    ...[1, 2, 3].map((tag) => image(`${STAGING}/test-image-tags:${tag}`, { Labels: {} })),
    ...users.map(([name, User]) => image(`${STAGING}/test-image-user-${name}:latest`, { User })),
    {
      name: `${STAGING}/test-image-predefined-group:latest`,
      entries: entries.map((entry) => {
        if (entry.name === "etc/passwd") return { ...entry, content: `${entry.content}${groups}` };
        if (entry.name !== "etc/group") return entry;
        const group = "group-defined-in-image:x:50000:default-user\n";
        return { ...entry, content: `${entry.content}default-user:x:1000:\n${group}` };
      }),
      config: { ...base, User: "1000" },
    },
    ...["registry.k8s.io/pause:3.9", "k8s.gcr.io/pause:3.9"].map((name) =>
      image(name, { Cmd: ["sleep", "1000000"], Labels: {} }),
    ),
  ];
}
