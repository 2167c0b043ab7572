import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { ImageService, RuntimeService } from "@raft2kube/proto/gen/cri.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { busyboxRecipe } from "@raft2kube/runtime/build/busybox.ts";
import { buildImage } from "@raft2kube/runtime/build/image-builder.ts";
import { webRecipe } from "@raft2kube/runtime/build/web.ts";
import { saveArchive } from "@raft2kube/runtime/image/archive.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { killed } from "../../../testing/killed.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { Implementation } from "./implementation.ts";
import { BUSYBOX, CATATONIT } from "./ours.ts";
import type { RuntimeHost } from "./runtime-host.ts";

const PAUSE_IMAGE = "r2k.local/pause:1";

/** Registries at other places than their names say. */
type Mirrors = Readonly<Record<string, string>>;

function configText(host: RuntimeHost, mirrors: Mirrors): string {
  const places = Object.entries(mirrors).map(
    ([domain, url]) => `
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."${domain}"]
    endpoint = ["${url}"]`,
  );
  return `
version = 2
root = "${host.dir}/data"
state = "${host.dir}/run"
[grpc]
  address = "${host.dir}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${host.cniConfDir}"
${places.join("")}
`;
}

/** The images that the suite uses, as archives for `ctr images import`. */
async function archives(host: RuntimeHost): Promise<string[]> {
  const store = new ImageStore(join(host.dir, "images"), () => []);
  await store.open();
  const programs = { busybox: BUSYBOX, init: CATATONIT };
  const busybox = await busyboxRecipe(BUSYBOX);
  const pause = {
    name: PAUSE_IMAGE,
    entries: (await webRecipe(1, programs)).entries.filter(({ name }) => name === "bin/init"),
    config: { Entrypoint: ["/bin/init", "-P"] },
  };
  const files: string[] = [];
  for (const recipe of [busybox, await webRecipe(1, programs), pause]) {
    await buildImage(store, recipe);
    const file = join(host.dir, `${files.length}.tar`);
    await pipeline(await saveArchive(store, recipe.name), createWriteStream(file));
    files.push(file);
  }
  return files;
}

async function launch(host: RuntimeHost, mirrors: Mirrors): Promise<ChildProcess> {
  const config = join(host.dir, "config.toml");
  writeFileSync(config, configText(host, mirrors));
  const log = createWriteStream(join(host.dir, "containerd.log"), { flags: "a" });
  await once(log, "open");
  const child = spawn("containerd", ["--config", config], { stdio: ["ignore", log, log] });
  await waitFor("containerd's socket", () => existsSync(`${host.dir}/containerd.sock`));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  await killed(child, "SIGTERM");
}

/** Debian's containerd, as the measure. */
export const containerd = containerdWith({});

export function containerdWith(mirrors: Mirrors): Implementation {
  return {
    knows: {
      recursiveReadOnly: false,
      boundedFiles: false,
      events: false,
      cgroups: false,
      webSocketV5: false,
      lastWords: false,
      firstWords: false,
      imageVolumes: false,
      userNamespaces: false,
      podResources: false,
      metrics: false,
      stalls: false,
      tracedFirstProcess: false,
    },
    async start(host) {
      let child = await launch(host, mirrors);
      const socket = `${host.dir}/containerd.sock`;
      for (const file of await archives(host)) {
        execFileSync("ctr", ["-a", socket, "-n", "k8s.io", "images", "import", file]);
      }
      const channel = connectGrpc(`unix://${socket}`);
      const runtime = client(channel, RuntimeService);
      return {
        runtime,
        images: client(channel, ImageService),
        async restart() {
          await end(child);
          child = await launch(host, mirrors);
          const answers = () => runtime.version({}).then(() => true);
          await waitFor("containerd", answers);
        },
        async close() {
          for (const { id } of (await runtime.listPodSandbox({})).items) {
            await runtime.stopPodSandbox({ podSandboxId: id });
            await runtime.removePodSandbox({ podSandboxId: id });
          }
          channel.close();
          await end(child);
          for (const point of mountPointsBelow(host.dir)) unmount(point, { detach: true });
        },
      };
    },
  };
}
