import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { ImageService, RuntimeService } from "@raft2kube/proto/gen/cri.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { imageService } from "./cri/image-service.ts";
import { runtimeService } from "./cri/runtime-service.ts";
import type { ImageStore } from "./image/store.ts";
import { type OpenOptions, type OpenRuntime, openRuntime } from "./open.ts";
import { startRepair } from "./repair.ts";
import { removePodSandbox } from "./sandbox/stop.ts";
import { StreamingServer } from "./streaming/server.ts";

/** RuntimeOptions are what is opened, and the socket that is served. */
export interface RuntimeOptions extends OpenOptions {
  /** The Unix socket of CRI v1. */
  socket: string;
  /** Traces calls, as parts of their callers' traces; its creator closes it. */
  tracer?: Tracer | undefined;
}

/** A runtime that serves. */
export interface RuntimeHandle {
  /** Images, to load and build them without a registry (`loadArchive`, `buildDemoImages`). */
  readonly images: ImageStore;
  /** Stops and removes every sandbox with its containers, for taking a cluster down. */
  removePods(): Promise<void>;
  /** Stops serving. Containers keep running; the next start finds them. */
  close(): Promise<void>;
}

/** Serves what is open. */
async function listen(
  open: OpenRuntime,
  options: RuntimeOptions,
  resources: AsyncDisposableStack,
): Promise<void> {
  const { clock, log, exits } = open;
  if (options.cgroups === "none") {
    log.warn("no cgroups: containers have no limits and no statistics");
  }
  const repair = startRepair(open, exits);
  resources.defer(() => repair.close());
  const streaming = new StreamingServer(clock, (err) => log.warn("a stream broke", { err }));
  await streaming.open();
  resources.defer(() => streaming.close());
  const runtime = { ...open, streaming };
  const server = await serveGrpc({
    services: [
      serve(RuntimeService, runtimeService(runtime)),
      serve(ImageService, imageService(runtime)),
    ],
    listen: { path: options.socket },
    tracer: options.tracer,
  });
  resources.defer(() => server.close());
}

/**
 * Serves CRI v1. Containers that an earlier run left are found again before the socket opens.
 * Rejects when the machine lacks something, naming it; nothing is held then.
 */
export async function startRuntime(options: RuntimeOptions): Promise<RuntimeHandle> {
  const { runtime, close } = await openRuntime(options);
  const resources = new AsyncDisposableStack();
  resources.defer(close);
  try {
    await listen(runtime, options, resources);
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
  return {
    images: runtime.images,
    async removePods() {
      const ids = runtime.sandboxes.values().map(({ id }) => id);
      await Promise.all(ids.map((id) => removePodSandbox(runtime, id)));
    },
    close: () => resources.disposeAsync(),
  };
}
