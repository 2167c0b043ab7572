import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  AlarmRequest_AlarmAction as Action,
  type AlarmMember,
  AlarmType,
  Maintenance,
} from "@raft2kube/proto/gen/etcd.ts";
import { type Channel, connectGrpc, client as rpcClient } from "@raft2kube/rpc/client.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytes, expectError, shorthand } from "./fixture.ts";
import {
  ETCD_36_PROGRAM,
  ETCDCTL_36_PROGRAM,
  type Running,
  servedWith,
  startEtcd,
  threeMembersWith,
} from "./implementations.ts";

const QUOTA_BYTES = 3_000_000;
const VALUE_BYTES = 200_000;

/** Rules for alarms and the quota, in the order in which an administrator meets them. */
function alarmRules(start: () => Promise<Running>): void {
  let running: Running;
  let channel: Channel;
  beforeAll(async () => {
    running = await start();
    channel = connectGrpc(running.endpoint!);
  });
  afterAll(async () => {
    channel.close();
    await running.stop();
  });
  const maintenance = () => rpcClient(channel, Maintenance);
  const list = async (alarm: AlarmType = AlarmType.NONE) => {
    const { alarms } = await maintenance().alarm({ action: Action.GET, alarm });
    return alarms;
  };
  const health = async (query = "") => {
    const answer = await fetch(`${running.endpoint}/health${query}`);
    return [answer.status, await answer.text()];
  };
  let own: AlarmMember;

  test("without an alarm all is well", async () => {
    expect(await list()).toEqual([]);
    expect(await health()).toEqual([200, '{"health":"true","reason":""}']);
    const { dbSizeQuota, errors, header } = await running.client.status();
    expect([dbSizeQuota, errors]).toEqual([QUOTA_BYTES, []]);
    own = { memberID: header!.memberId, alarm: AlarmType.NOSPACE };
  });

  test("past the quota a put is refused, and the alarm is on", async () => {
    const fill = async () => {
      for (let i = 0; i < 40; i++) {
        await running.client.put({ key: bytes(`fill-${i}`), value: randomBytes(VALUE_BYTES) });
      }
    };
    await expectError(fill(), "noSpace");
    expect(await list()).toEqual([own]);
    expect(await list(AlarmType.NOSPACE)).toEqual([own]);
    expect(await list(AlarmType.CORRUPT)).toEqual([]);
    const { errors } = await running.client.status();
    expect(errors).toEqual([`memberID:${own.memberID} alarm:NOSPACE `]);
    expect(await health()).toEqual([503, '{"health":"false","reason":"ALARM NOSPACE"}\n']);
    expect((await health("?exclude=NOSPACE"))[0]).toBe(200);
  });

  test("what needs space is refused, on every branch; all else goes on", async () => {
    const { client } = running;
    const put = { requestPut: { key: bytes("k") } };
    await expectError(client.put({ key: bytes("k") }), "noSpace");
    await expectError(client.txn({ success: [put] }), "noSpace");
    await expectError(client.txn({ failure: [put] }), "noSpace");
    await expectError(client.leaseGrant({ TTL: 60 }), "noSpace");
    const get = { requestRange: { key: bytes("fill-0") } };
    const { responses } = await client.txn({
      success: [get, { requestDeleteRange: { key: bytes("fill-1") } }],
    });
    expect(responses[0]!.responseRange!.count).toBe(1);
    expect(responses[1]!.responseDeleteRange!.deleted).toBe(1);
  });

  test("with space again and the alarm off, writes go on", async () => {
    const { client } = running;
    const { list: listKeys } = shorthand(client);
    await client.deleteRange({ key: bytes("fill-"), rangeEnd: bytes("fill0") });
    const { header } = await listKeys("fill-");
    await client.compact({ revision: header!.revision, physical: true });
    await maintenance().defragment({});
    await expectError(client.put({ key: bytes("k") }), "noSpace");
    const off = await maintenance().alarm({ action: Action.DEACTIVATE, ...own });
    expect(off.alarms).toEqual([own]);
    expect((await maintenance().alarm({ action: Action.DEACTIVATE, ...own })).alarms).toEqual([]);
    await client.put({ key: bytes("k") });
    expect(await health()).toEqual([200, '{"health":"true","reason":""}']);
  });

  test("with the CORRUPT alarm nothing changes any more; reads go on", async () => {
    const { client } = running;
    const { header, leases } = await client.leaseLeases();
    expect(leases).toEqual([]);
    const corrupt = { memberID: 77n, alarm: AlarmType.CORRUPT };
    const on = await maintenance().alarm({ action: Action.ACTIVATE, ...corrupt });
    expect(on.alarms).toEqual([corrupt]);
    expect((await maintenance().alarm({ action: Action.ACTIVATE, ...corrupt })).alarms).toEqual([
      corrupt,
    ]);
    const put = { requestPut: { key: bytes("k") } };
    const calls = [
      () => client.put({ key: bytes("k") }),
      () => client.deleteRange({ key: bytes("k") }),
      () => client.txn({ success: [put] }),
      () => client.compact({ revision: header!.revision }),
      () => client.leaseGrant({ TTL: 60 }),
      () => client.leaseRevoke({ ID: 5n }),
    ];
    for (const call of calls) await expectError(call(), "corrupt");
    expect((await client.range({ key: bytes("k") })).count).toBe(1);
    expect(await health()).toEqual([503, '{"health":"false","reason":"ALARM CORRUPT"}\n']);
    await maintenance().alarm({ action: Action.DEACTIVATE, ...corrupt });
    await client.put({ key: bytes("k") });
  });

  test("no alarm at all cannot be switched on", async () => {
    const { alarms } = await maintenance().alarm({ action: Action.ACTIVATE, memberID: 1n });
    expect(alarms).toEqual([]);
    expect(await list()).toEqual([]);
  });
}

const quota = { quotaBackendBytes: QUOTA_BYTES };
describe("alarms of one member", () => alarmRules(() => servedWith(quota)));
describe("alarms of three members", () => alarmRules(() => threeMembersWith(quota)));
describe.runIf(existsSync(ETCD_36_PROGRAM))("alarms of etcd 3.6", () => {
  alarmRules(() => startEtcd(ETCD_36_PROGRAM, ["--quota-backend-bytes", `${QUOTA_BYTES}`]));
});

/** Removes identifiers, which differ from one store to the next. */
const withoutIdentity = (printed: string) =>
  printed
    .split("\n")
    .filter((line) => !line.startsWith("{"))
    .join("\n")
    .replace(/"(cluster_id|member_id|memberID)":[0-9]+/g, "$1")
    .replace(/"(ClusterID|MemberID)" : [0-9]+/g, "$1")
    .replace(/memberID:[0-9]+/g, "memberID")
    .replace(/127\.0\.0\.1:[0-9]+/g, "ENDPOINT")
    .replace(/took [0-9.]+[mµ]?s/g, "took");

/** Prints everything that etcdctl has about alarms, while one is on and after. */
async function printed(start: () => Promise<Running>): Promise<string> {
  const { client, endpoint, stop } = await start();
  const { header } = await client.status();
  const channel = connectGrpc(endpoint!);
  const alarm = { memberID: header!.memberId, alarm: AlarmType.NOSPACE };
  await rpcClient(channel, Maintenance).alarm({ action: Action.ACTIVATE, ...alarm });
  const commands = ["alarm list", "alarm list -w json", "alarm list -w fields", "endpoint health"];
  const all: string[] = [];
  for (const command of [...commands, "put a b", "alarm disarm", "alarm list", "put a b"]) {
    const args = ["--endpoints", new URL(endpoint!).host, ...command.split(" ")];
    const said = await new Promise<string>((resolve) => {
      // A command that fails says so in what it prints.
      execFile(ETCDCTL_36_PROGRAM, args, (_failed, stdout, stderr) => resolve(stdout + stderr));
    });
    all.push(`$ ${command}`, said);
  }
  channel.close();
  await stop();
  return withoutIdentity(all.join("\n"));
}

describe.runIf(existsSync(ETCD_36_PROGRAM))("etcdctl 3.6 on alarms", () => {
  test("prints the same of ours and of etcd", async () => {
    const ours = await printed(() => servedWith({}));
    expect(ours).toContain("memberID alarm:NOSPACE");
    expect(ours).toContain("database space exceeded");
    expect(ours).toBe(await printed(() => startEtcd(ETCD_36_PROGRAM)));
  });
});

test("a quota below zero is none", async () => {
  const running = await servedWith({ quotaBackendBytes: -1 });
  expect((await running.client.status()).dbSizeQuota).toBe(-1);
  const refused = await running.client.put({ key: bytes("") }).catch((thrown: unknown) => thrown);
  expect(refused).toBeInstanceOf(EtcdError);
  await running.stop();
});
