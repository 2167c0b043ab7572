import { join } from "node:path";
import { ImageService, RuntimeService } from "@raft2kube/proto/gen/cri.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { buildDemoImages } from "@raft2kube/runtime/build/demo-images.ts";
import { type RuntimeOptions, startRuntime } from "@raft2kube/runtime/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import type { Implementation } from "./implementation.ts";
import type { RuntimeHost } from "./runtime-host.ts";

export const BUSYBOX = "/bin/busybox";
export const CATATONIT = "/usr/bin/catatonit";

function optionsFor(host: RuntimeHost, kind: "crun" | "runc"): RuntimeOptions {
  return {
    socket: join(host.dir, "cri.sock"),
    stateDir: join(host.dir, "run"),
    rootDir: join(host.dir, "data"),
    cniConfDir: host.cniConfDir,
    cniBinDirs: ["/usr/lib/cni"],
    cgroupParent: host.cgroupParent,
    ociRuntime: { path: kind === "crun" ? "/usr/bin/crun" : "/usr/sbin/runc", kind },
    conmon: "/usr/bin/conmon",
    pausePath: CATATONIT,
    clock: systemClock(),
  };
}

/** Our runtime over an OCI runtime. */
export function ours(
  kind: "crun" | "runc",
  more: Pick<RuntimeOptions, "registries" | "tracer"> = {},
): Implementation {
  return {
    knows: {
      recursiveReadOnly: true,
      boundedFiles: true,
      events: true,
      cgroups: true,
      webSocketV5: true,
      lastWords: true,
      firstWords: true,
      imageVolumes: true,
      userNamespaces: kind === "crun",
      podResources: true,
      metrics: true,
      stalls: true,
      tracedFirstProcess: true,
    },
    async start(host) {
      const options = { ...optionsFor(host, kind), ...more };
      let handle = await startRuntime(options);
      await buildDemoImages(handle.images, { busybox: BUSYBOX, init: CATATONIT });
      const channel = connectGrpc(`unix://${options.socket}`);
      return {
        runtime: client(channel, RuntimeService),
        images: client(channel, ImageService),
        async restart() {
          await handle.close();
          handle = await startRuntime(options);
        },
        async close() {
          await handle.removePods();
          await handle.close();
          channel.close();
        },
      };
    },
  };
}
