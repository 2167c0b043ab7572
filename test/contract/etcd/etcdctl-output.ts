import {
  AlarmResponse,
  AuthRoleAddResponse,
  AuthRoleGetResponse,
  AuthRoleListResponse,
  AuthStatusResponse,
  AuthUserAddResponse,
  AuthUserGetResponse,
  AuthUserListResponse,
  DeleteRangeResponse,
  DowngradeResponse,
  MemberAddResponse,
  MemberListResponse,
  PutResponse,
  RangeResponse,
  ResponseHeader,
  TxnResponse,
  WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";

/** Output formats of etcdctl. */
export const FORMATS = ["simple", "json", "fields", "table", "protobuf"] as const;
export type Format = (typeof FORMATS)[number];

export type Printed = { code: number | null; output: Buffer; errors: string };

/** The message that `-w protobuf` prints, by the command's first words. */
const MESSAGES: readonly (readonly [string, { decode(bytes: Uint8Array): unknown }])[] = [
  ["put", PutResponse],
  ["get", RangeResponse],
  ["del", DeleteRangeResponse],
  ["txn", TxnResponse],
  ["watch", WatchResponse],
  ["alarm", AlarmResponse],
  ["member list", MemberListResponse],
  ["member", MemberAddResponse],
  ["user list", AuthUserListResponse],
  ["user get", AuthUserGetResponse],
  ["user", AuthUserAddResponse],
  ["role list", AuthRoleListResponse],
  ["role get", AuthRoleGetResponse],
  ["role", AuthRoleAddResponse],
  ["auth status", AuthStatusResponse],
  ["downgrade", DowngradeResponse],
  // These answers are no messages but structs around a header, of which only that is printed.
  ["lease", ResponseHeader],
];

/**
 * Returns the output of a command without the parts that identify a store or a moment: ids,
 * addresses, terms, times, and a store's own figures in its status.
 */
export function comparable(line: string, format: Format, printed: Printed): string {
  const { code, errors } = printed;
  const logged = errors.split("\n").filter((each) => !/^\{"level":"(warn|info)"/.test(each));
  // etcdctl falls over some input; where in its memory is of no interest.
  const recorded = logged[0]?.startsWith("panic:") ? logged.slice(0, 1) : logged;
  const common = `${textOf(line, format, printed)}${recorded.join("\n")}`
    .replace(/(https?:\/\/)?(127\.0\.0\.1|localhost):[0-9]+/g, "ADDRESS")
    .replace(/\b[0-9a-f]{13,16}\b/g, "ID")
    .replace(/\b[0-9]{15,20}\b/g, "ID")
    .replace(/("?raft_?term"?[": ]+)[0-9]+/gi, "$1N")
    .replace(/remaining\([0-9]+s\)/g, "remaining(N)")
    .replace(/("ttl"[ :]+)[0-9]+/gi, "$1N")
    .replace(/\b[0-9.]+(s|ms|µs)\b/g, "TIME")
    // A column is as wide as the widest id in it.
    .replace(/-{3,}/g, "-")
    .replace(/ {2,}/g, " ");
  const counts = /^(endpoint status|version)/.test(line)
    ? common.replace(/\b[0-9.]+( [kMG]?B)?/g, "N")
    : common;
  return `${counts}\nexit code ${code}`;
}

const HEADER_FIELDS = /"(ClusterID|MemberID|Revision|RaftTerm)" .*\n/g;

/** Whether several events come in one message or in several is up to the moment. */
function textOf(line: string, format: Format, { code, output }: Printed): string {
  const type = MESSAGES.find(([words]) => line.startsWith(words))?.[1];
  if (format === "protobuf" && code !== 1 && type) return readable(type, output);
  const text = output.toString();
  if (line !== "watch") return text;
  if (format === "fields") return text.replace(HEADER_FIELDS, "");
  if (format !== "json") return text.trim();
  const answers = text
    .trim()
    .split("\n")
    .map((each) => JSON.parse(each) as { Events: unknown[] });
  return JSON.stringify(answers.flatMap(({ Events }) => Events));
}

function readable(type: { decode(bytes: Uint8Array): unknown }, output: Buffer): string {
  return JSON.stringify(type.decode(output), (name, value: unknown) => {
    if (name === "clusterId" || name === "memberId" || name === "raftTerm") return "ID";
    if (typeof value === "bigint") return String(value);
    return value;
  });
}
