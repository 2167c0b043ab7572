import { once } from "node:events";
import { connect } from "node:net";
import { Worker } from "node:worker_threads";
import { Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { client as callerOf, connectGrpc } from "@raft2kube/rpc/client.ts";
import { expect, test } from "vitest";
import { leaderOf, optionsOf, type TestMember, TestMembers } from "../../testing/store/members.ts";
import { waitFor } from "../../testing/wait.ts";
import type { Store } from "../main.ts";

/** Elections after 3 s, so that a slow machine alone causes none. */
const TIMING = { tick_ms: 100, electionTicks: 30 };
const CLIENTS = 10;
const CHUNKS = 16_384;
const CHUNK = "A".repeat(64);

const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

/** Sends a watch request of 1 MiB in chunks of 64 bytes; resolves with the line of its status. */
async function flood(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write("POST /v3/watch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  socket.write(chunked('{"create_request":{"key":"'));
  socket.write(chunked(CHUNK).repeat(CHUNKS));
  socket.write(chunked('"}}'));
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return answer.toString("latin1").split("\r\n", 1)[0]!;
}

test("a leader that is flooded with bodies in tiny chunks goes on leading", async () => {
  const cluster = new TestMembers();
  const members = await cluster.add("a", "b", "c");
  const [flooded, ...others] = members as [TestMember, TestMember, TestMember];
  const source = new URL("../testing/member-thread.ts", import.meta.url);
  const workerData = { ...optionsOf(flooded, members), timing: TIMING };
  const thread = new Worker(source, { workerData });
  const ended = once(thread, "exit");
  try {
    const started = others.map((member) => cluster.start(member, members, { timing: TIMING }));
    const [{ address, id }] = (await once(thread, "message")) as [{ address: string; id: bigint }];
    const [{ client }] = (await Promise.all(started)) as [Store, Store];
    const leadership = async () => {
      const { leader, raftTerm } = await client.status();
      return { leader, raftTerm };
    };
    const leader = await leaderOf(others);
    if (leader) {
      const channel = connectGrpc(`http://${leader.store!.address}`);
      await callerOf(channel, Maintenance).moveLeader({ targetID: id });
      await channel.close();
    }
    const leads = async () => (await leadership()).leader === id;
    await waitFor("its leadership", leads);
    const before = await leadership();
    const port = Number(address.split(":")[1]);
    const answers = await Promise.all(Array.from({ length: CLIENTS }, () => flood(port)));
    expect(new Set(answers)).toEqual(new Set(["HTTP/1.1 200 OK"]));
    expect(await leadership()).toEqual(before);
  } finally {
    thread.postMessage("end");
    await ended;
    await cluster.stopAll();
  }
});
