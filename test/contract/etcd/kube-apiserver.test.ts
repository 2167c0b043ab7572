import { existsSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  startUpstream,
  type UpstreamApiserver,
} from "../../../testing/apiserver/upstream-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { SecureMembers } from "./secure-members.ts";

const BINARY = join(import.meta.dirname, "../../../.peers/bin/kube-apiserver");
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
const JSON_TYPE = "application/json";

interface WatchEvent {
  type: string;
  object: { metadata: { name: string }; data?: Record<string, string> };
}

/** Follows a watch; its events come into the list. */
async function follow({ port, token }: UpstreamApiserver, events: WatchEvent[]) {
  const options = {
    ...{ host: "127.0.0.1", port, rejectUnauthorized: false, agent: false },
    path: `${CONFIG_MAPS}?watch=1`,
    headers: { authorization: `Bearer ${token}` },
  };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(options, resolve).once("error", reject).end();
  });
  response.on("error", () => undefined);
  createInterface({ input: response }).on("line", (line) => {
    const event = JSON.parse(line) as WatchEvent;
    if (event.object.metadata.name.startsWith("r2k-")) events.push(event);
  });
  return () => response.destroy();
}

describe.runIf(existsSync(BINARY))("upstream's kube-apiserver on three members over TLS", () => {
  let members: SecureMembers;
  let apiserver: UpstreamApiserver;
  beforeAll(async () => {
    members = await SecureMembers.start();
    const { ca, cert, key } = await members.filesFor("kube-apiserver-etcd-client");
    apiserver = await startUpstream(BINARY, {
      "etcd-servers": members.endpoints.join(","),
      "etcd-cafile": ca,
      "etcd-certfile": cert,
      "etcd-keyfile": key,
    });
  });
  afterAll(async () => {
    await apiserver?.close();
    await members?.stop();
  });

  const named = (name: string, data: Record<string, string>) => ({ metadata: { name }, data });
  const brief = ({ type, object }: WatchEvent) =>
    `${type} ${object.metadata.name} ${object.data?.["k"] ?? ""}`;

  test("creates, lists, watches, updates, deletes", async () => {
    const events: WatchEvent[] = [];
    const stop = await follow(apiserver, events);
    const { send } = apiserver;
    const created = await send("POST", CONFIG_MAPS, JSON_TYPE, named("r2k-a", { k: "1" }));
    expect(created.status).toBe(201);
    const again = await send("POST", CONFIG_MAPS, JSON_TYPE, named("r2k-a", { k: "1" }));
    expect(again.status).toBe(409);
    const patch = { data: { k: "2" } };
    const merge = "application/merge-patch+json";
    expect((await send("PATCH", `${CONFIG_MAPS}/r2k-a`, merge, patch)).status).toBe(200);
    const { body } = await send("GET", `${CONFIG_MAPS}?limit=500`, "", undefined);
    const listed = (body as { items: WatchEvent["object"][] }).items;
    expect(listed.find(({ metadata }) => metadata.name === "r2k-a")?.data).toEqual({ k: "2" });
    expect((await send("DELETE", `${CONFIG_MAPS}/r2k-a`, "", undefined)).status).toBe(200);
    expect((await send("GET", `${CONFIG_MAPS}/r2k-a`, "", undefined)).status).toBe(404);
    await waitFor("three events", () => events.length >= 3);
    expect(events.map(brief)).toEqual(["ADDED r2k-a 1", "MODIFIED r2k-a 2", "DELETED r2k-a 2"]);
    stop();
  });

  test("goes on when the member that leads is killed, and comes to no wrong answer", async () => {
    const { send } = apiserver;
    await send("POST", CONFIG_MAPS, JSON_TYPE, named("r2k-kept", { k: "before" }));
    const client = await members.client();
    const leader = await members.leader(client);
    await members.kill(leader);
    const write = async () => {
      const { status } = await send("POST", CONFIG_MAPS, JSON_TYPE, named("r2k-after", { k: "1" }));
      // A write whose answer was lost may have been made.
      return status === 201 || status === 409;
    };
    await waitFor("a write", () => write().catch(() => false));
    const kept = await send("GET", `${CONFIG_MAPS}/r2k-kept`, "", undefined);
    expect(kept.body["data"]).toEqual({ k: "before" });
    await members.resume(leader);
    await client.close();
  });
});
