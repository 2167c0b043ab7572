import koffi from "@raft2kube/linux/syscall/koffi.ts";
import type { OciSeccomp } from "../oci/spec.ts";
import { ByHandError } from "./error.ts";

const ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};
const COMPARE = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
];
const EPERM = 1;
const EEXIST = 17;
/** No filter sets no_new_privs: the process's own setting decides. */
const ATTRIBUTE_NO_NEW_PRIVS = 3;
const UNKNOWN = -1;

/** libseccomp, which knows the numbers of system calls on every architecture. */
interface Library {
  init(action: number): unknown;
  setAttribute(filter: unknown, name: number, value: number): number;
  resolveArchitecture(name: string): number;
  addArchitecture(filter: unknown, token: number): number;
  resolve(name: string): number;
  add(filter: unknown, action: number, call: number, count: number, args: Buffer): number;
  load(filter: unknown): number;
}

let library: Library | undefined;

/** Loads libseccomp; before the machine's files are left. Throws where it is missing. */
export function openSeccomp(): void {
  if (library) return;
  let found;
  try {
    found = koffi.load("libseccomp.so.2");
  } catch (cause) {
    const why = "linux.seccomp needs libseccomp.so.2";
    throw new ByHandError("failed-precondition", why, { cause, remedy: "install libseccomp2" });
  }
  library = {
    init: found.func("void *seccomp_init(uint32_t action)"),
    setAttribute: found.func("int seccomp_attr_set(void *filter, int name, uint32_t value)"),
    resolveArchitecture: found.func("uint32_t seccomp_arch_resolve_name(const char *name)"),
    addArchitecture: found.func("int seccomp_arch_add(void *filter, uint32_t token)"),
    resolve: found.func("int seccomp_syscall_resolve_name(const char *name)"),
    add: found.func(
      "int seccomp_rule_add_array(void *filter, uint32_t action, int call, uint count, " +
        "const void *args)",
    ),
    load: found.func("int seccomp_load(void *filter)"),
  };
}

function actionOf(name: string, errno: number | undefined): number {
  const action = ACTIONS[name];
  if (action === undefined) {
    throw new ByHandError("unimplemented", `by-hand does not implement seccomp action ${name}`);
  }
  return name === "SCMP_ACT_ERRNO" ? action | (errno ?? EPERM) : action;
}

function argumentBytes(args: NonNullable<OciSeccomp["syscalls"][number]["args"]>): Buffer {
  const bytes = Buffer.alloc(Math.max(1, args.length) * 24);
  for (const [i, { index, op, value, valueTwo = 0 }] of args.entries()) {
    const compare = COMPARE.indexOf(op);
    if (compare < 0) throw new ByHandError("unimplemented", `seccomp comparison ${op}`);
    bytes.writeUInt32LE(index, i * 24);
    bytes.writeUInt32LE(compare + 1, i * 24 + 4);
    bytes.writeBigUInt64LE(BigInt(value), i * 24 + 8);
    bytes.writeBigUInt64LE(BigInt(valueTwo), i * 24 + 16);
  }
  return bytes;
}

/** A negative result of libseccomp is an errno. */
function require(result: number, what: string, ...fine: number[]): void {
  if (result >= 0 || fine.includes(-result)) return;
  throw new ByHandError("failed", `libseccomp: ${what}: errno ${-result}`);
}

/** The libseccomp call of a filter, which no program makes for a person. */
export function filterCommand(profile: OciSeccomp | undefined): string {
  if (profile === undefined) return "# no seccomp filter";
  const { defaultAction, syscalls } = profile;
  const counts = new Map<string, number>();
  for (const { action, names } of syscalls) {
    counts.set(action, (counts.get(action) ?? 0) + names.length);
  }
  const rules = [...counts].map(([action, count]) => `${action} for ${count} system calls`);
  return `# seccomp_load: ${rules.join(", ")}, else ${defaultAction}`;
}

let prepared: unknown;

/** Builds a profile's filter, to be loaded later: all but the loading needs memory. */
export function prepareFilter(profile: OciSeccomp): void {
  openSeccomp();
  const calls = library!;
  const byDefault = actionOf(profile.defaultAction, profile.defaultErrnoRet);
  const filter = calls.init(byDefault);
  if (!filter) throw new ByHandError("failed", "libseccomp: no filter");
  require(calls.setAttribute(filter, ATTRIBUTE_NO_NEW_PRIVS, 0), "no_new_privs");
  for (const name of profile.architectures ?? []) {
    const token = calls.resolveArchitecture(name.replace("SCMP_ARCH_", "").toLowerCase());
    require(calls.addArchitecture(filter, token), name, EEXIST);
  }
  for (const { names, action, errnoRet, args = [] } of profile.syscalls) {
    const wanted = actionOf(action, errnoRet);
    if (wanted === byDefault) continue;
    for (const name of names) {
      const call = calls.resolve(name);
      // One that this libseccomp does not know gets the default action.
      if (call === UNKNOWN) continue;
      require(calls.add(filter, wanted, call, args.length, argumentBytes(args)), name, EEXIST);
    }
  }
  prepared = filter;
}

/** Loads the prepared filter for the calling thread, and for the program that it executes. */
export function loadFilter(profile: OciSeccomp): void {
  if (prepared === undefined) prepareFilter(profile);
  require(library!.load(prepared), "load the filter");
}
