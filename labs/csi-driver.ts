import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  Controller,
  type ControllerMethods,
  Identity,
  type IdentityMethods,
  Node,
  type NodeMethods,
  type VolumeCapability,
} from "@raft2kube/proto/gen/csi.ts";
import { type Channel, client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

export const MIB = 1024 ** 2;

export const capability = (mode: number): Init<VolumeCapability> => ({
  mount: {},
  accessMode: { mode },
});

interface Served {
  close(): Promise<void>;
}

/** The reader's CSI driver in a folder of its own, and the callers that a cluster has. */
export abstract class ServedDriver {
  readonly dir: string;
  #running: Served | undefined;
  #channel: Channel | undefined;
  identity!: RpcClient<IdentityMethods>;
  /** Called by the provisioner, for claims. */
  controller!: RpcClient<ControllerMethods>;
  /** Called by the kubelet, for pods. */
  node!: RpcClient<NodeMethods>;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** Serves the reader's driver at `socket`. */
  protected abstract serve(socket: string): Promise<Served>;

  get socket(): string {
    return this.path("csi.sock");
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  async start(): Promise<void> {
    this.#running = await this.serve(this.socket);
    this.#channel = connectGrpc(`unix://${this.socket}`);
    this.identity = client(this.#channel, Identity);
    this.controller = client(this.#channel, Controller);
    this.node = client(this.#channel, Node);
  }

  async stop(): Promise<void> {
    this.#channel?.close();
    await this.#running?.close();
    this.#running = undefined;
  }

  /** Mount points below the driver's folder, from the kernel. */
  mounts(): string[] {
    return mountPointsBelow(this.dir).map((point) => point.slice(this.dir.length + 1));
  }

  /** Writes a file into a published volume; returns the error's code, or nothing. */
  async write(file: string, text: string): Promise<string> {
    try {
      await writeFile(this.path(file), text);
      return "";
    } catch (thrown) {
      if (isErrno(thrown, "EROFS", "ENOENT")) return (thrown as NodeJS.ErrnoException).code!;
      throw thrown;
    }
  }
}
