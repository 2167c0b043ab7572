import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Channel, connectGrpc } from "@raft2kube/rpc/client.ts";
import { type Store, startStore } from "@raft2kube/store/main.ts";
import type { StoreOptions } from "@raft2kube/store/options.ts";
import { freePort } from "../free-port.ts";
import { Proxy } from "./proxy.ts";

/** A member that tests start, stop and start again. */
export interface TestMember {
  readonly name: string;
  /** Where it listens; others reach it through the proxy. */
  readonly port: number;
  readonly proxy: Proxy;
  readonly dataDir: string;
  store: Store | undefined;
  fatal: unknown[];
}

/** Members of one cluster in this process, over real sockets and disks. */
export class TestMembers {
  readonly all: TestMember[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "r2k-members-"));
  readonly #channels: Channel[] = [];

  /** Makes room for members; nothing runs yet. */
  async add(...names: string[]): Promise<TestMember[]> {
    const added: TestMember[] = [];
    for (const name of names) {
      const dataDir = join(this.#folder, `${name}-${this.all.length}`);
      const port = await freePort();
      const proxy = await Proxy.start(port);
      const member = { name, port, proxy, dataDir, store: undefined, fatal: [] };
      this.all.push(member);
      added.push(member);
    }
    return added;
  }

  /** Three that have found each other. */
  async startThree(more: Partial<StoreOptions> = {}): Promise<TestMember[]> {
    const members = await this.add("a", "b", "c");
    await Promise.all(members.map((member) => this.start(member, members, more)));
    return members;
  }

  async start(
    member: TestMember,
    initial: TestMember[],
    more: Partial<StoreOptions> = {},
    initialState: "new" | "existing" = "new",
  ): Promise<Store> {
    const onFatal = (reason: unknown) => member.fatal.push(reason);
    const options = optionsOf(member, initial, initialState);
    member.store = await startStore({ ...options, onFatal, ...more });
    return member.store;
  }

  /** A connection to a member's client port, until all are stopped. */
  channelTo(member: TestMember): Channel {
    const channel = connectGrpc(`http://${member.store!.address}`);
    this.#channels.push(channel);
    return channel;
  }

  async stop(member: TestMember): Promise<void> {
    const { store } = member;
    member.store = undefined;
    await store?.close();
  }

  async stopAll(): Promise<void> {
    for (const channel of this.#channels.splice(0)) channel.close();
    await Promise.all(this.all.map((member) => this.stop(member)));
    for (const { proxy } of this.all) proxy.close();
    rmSync(this.#folder, { recursive: true });
  }
}

/** Returns the options of a member; they can be sent to another thread. */
export function optionsOf(
  member: TestMember,
  initial: readonly TestMember[],
  initialState: "new" | "existing" = "new",
): StoreOptions {
  return {
    dataDir: member.dataDir,
    name: member.name,
    listenClient: { host: "127.0.0.1", port: 0 },
    peers: {
      listen: { host: "127.0.0.1", port: member.port },
      advertiseUrls: [urlOf(member)],
      initialCluster: Object.fromEntries(initial.map((each) => [each.name, [urlOf(each)]])),
      initialState,
    },
  };
}

/** Returns the peer URL under which others know a member. */
export const urlOf = ({ proxy }: TestMember): string => `http://127.0.0.1:${proxy.port}`;

/** The leader's store among members, as the members that run see it. */
export async function leaderOf(members: TestMember[]): Promise<TestMember | undefined> {
  for (const member of members) {
    const status = await member.store?.client.status();
    if (status && status.leader === status.header!.memberId) return member;
  }
  return undefined;
}
