import { readdirSync, readlinkSync } from "node:fs";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { KeyedTurns } from "@raft2kube/std/turns.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../netlink/netlink.ts";
import koffi from "../syscall/koffi.ts";
import { libc } from "../syscall/libc.ts";
import { generationOf, NftError, nftRefusal, nftTime_ms, setApplyHere } from "./nft.ts";

/** The library that the program nft consists of, with the number of its interface. */
const LIBRARY = "libnftables.so.1";
const DESCRIPTORS = "/proc/self/fd";
/** Characters kept of the library's output about a transaction; the rest repeats it. */
const ERRORS_MAX = 16_384;
/** select(2), by which the library waits for the kernel, ends the process for others. */
const SELECTABLE_MAX = 1_023;
/** fcntl(2). */
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** libnftables(3). A context is a pointer. */
function bind() {
  const library = koffi.load(LIBRARY);
  return {
    open: library.func("void *nft_ctx_new(uint32_t flags)"),
    close: library.func("void nft_ctx_free(void *context)"),
    keepErrors: library.func("int nft_ctx_buffer_error(void *context)"),
    errors: library.func("const char *nft_ctx_get_error_buffer(void *context)"),
    run: library.func("int nft_run_cmd_from_buffer(void *context, const char *text)"),
    setDryRun: library.func("void nft_ctx_set_dry_run(void *context, bool dry)"),
  };
}

/** Numbers of this process's sockets, by inode: a number that is free is soon another socket's. */
export function openSockets(): Map<string, number> {
  const found = new Map<string, number>();
  for (const fd of readdirSync(DESCRIPTORS)) {
    try {
      const link = readlinkSync(`${DESCRIPTORS}/${fd}`);
      if (link.startsWith("socket:")) found.set(link, Number(fd));
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT")) throw thrown; // closed, as is that of the listing itself
    }
  }
  return found;
}

let bound: ReturnType<typeof bind> | undefined;

function library(): ReturnType<typeof bind> {
  try {
    return (bound ??= bind());
  } catch (cause) {
    throw new NftError("nft-missing", messageOf(cause), { remedy: "install nftables", cause });
  }
}

/**
 * nft without its process, in the network namespace that this thread is in now. Its sockets stay
 * open: at the end of any of netfilter the kernel waits until no packet uses the rules that the
 * last transaction removed, 10 ms or more.
 */
export class NftSession implements Disposable {
  readonly #context: unknown;
  /** Opened first: where the library gets no socket it ends the process; this one throws. */
  readonly #netfilter: NetlinkSocket;
  /**
   * Whether `apply` may be called: only if the library's socket was found, and not if the process
   * had a thousand descriptors open before it. The program nft, which has few, does the same then.
   */
  readonly canApply: boolean;

  /** Throws NftError `nft-missing`. `sockets` lists this process's, as other threads leave them. */
  constructor(sockets = openSockets) {
    const { open, keepErrors } = library();
    this.#netfilter = new NetlinkSocket(NETLINK_NETFILTER);
    const before = sockets();
    this.#context = open(0);
    // Its socket is not for the programs that this process starts.
    const own = [...sockets()].filter(([inode]) => !before.has(inode)).map(([, fd]) => fd);
    for (const fd of own) libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
    this.canApply = own.length > 0 && own.every((fd) => fd <= SELECTABLE_MAX);
    keepErrors(this.#context);
  }

  /**
   * Applies a ruleset as one transaction, in another thread: all of it, or NftError and none. One
   * call at a time. After an error the session is to be disposed of: where many statements were
   * refused the library leaves answers of the kernel unread, and every later call fails.
   */
  apply(text: string): Promise<void> {
    assert(this.canApply, "the library's socket is beyond what select(2) takes");
    const { run, errors } = library();
    const context = this.#context;
    return new Promise((resolve, reject) => {
      run.async(context, text, (failure: Error | null, status: number) => {
        const said = (errors(context) as string).slice(0, ERRORS_MAX).trim();
        if (failure) reject(failure);
        else if (status !== 0) reject(nftRefusal(said));
        else {
          this.#dropCache();
          resolve();
        }
      });
    });
  }

  /**
   * Makes the library forget the ruleset that it listed for a transaction: four tables of 128 KiB
   * for each table of nftables. It lists it again for the next one, as every transaction changes
   * the generation. There is no call for that; the library does it at the end of a dry run.
   */
  #dropCache(): void {
    const { run, setDryRun } = library();
    setDryRun(this.#context, true);
    run(this.#context, "\n");
    setDryRun(this.#context, false);
  }

  /** Returns the generation of the ruleset, which every transaction of every program increments. */
  generation(): number {
    return generationOf(this.#netfilter);
  }

  [Symbol.dispose](): void {
    this.#netfilter[Symbol.dispose]();
    library().close(this.#context);
  }
}

/**
 * Makes `applyRuleset` start no process for a ruleset of this thread's namespace, where the library
 * is there: a tenth of its time. For programs that end soon, as the session stays open. A ruleset
 * that takes longer than the program may is given up; the program applies those that follow.
 */
export function applyInProcess(
  clock: Clock,
  open: () => Pick<NftSession, "canApply" | "apply" | typeof Symbol.dispose> = () =>
    new NftSession(),
): void {
  const turns = new KeyedTurns();
  let session: ReturnType<typeof open> | undefined;
  let isStuck = false;
  const apply = async (text: string): Promise<boolean> => {
    if (isStuck) return false;
    try {
      session ??= open();
      if (!session.canApply) return false;
      const limit_ms = nftTime_ms(text);
      const applied = session.apply(text).then(() => true);
      if (await resultWithin(clock, applied, limit_ms, () => false)) return true;
      // Its thread works with it still: it is not closed, and Node's end would wait for the thread.
      session = undefined;
      isStuck = true;
      const kill = () => process.kill(process.pid, "SIGKILL");
      process.once("exit", kill);
      void applied.then(undefined, () => undefined).then(() => process.off("exit", kill));
      throw new NftError("nft-failed", `the nftables library has not ended after ${limit_ms} ms`);
    } catch (thrown) {
      session?.[Symbol.dispose]();
      session = undefined;
      if (isErrno(thrown, "nft-missing")) return false; // the program may be linked otherwise
      throw thrown;
    }
  };
  setApplyHere((text) => turns.run("nft", () => apply(text)));
}
