import { existsSync, readdirSync } from "node:fs";
import koffi from "./koffi.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { libc } from "./libc.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "./netlink.ts";
import { generationOf, nftRefusal, NftError } from "./nft.ts";

/** The library that the program nft consists of, with the number of its interface. */
const LIBRARY = "libnftables.so.1";
const DESCRIPTORS = "/proc/self/fd";
/** Characters of what the library says about a transaction; the rest repeats it. */
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
  };
}

/** This process's descriptors; that of the listing itself is closed again. */
const descriptors = () =>
  readdirSync(DESCRIPTORS).filter((fd) => existsSync(`${DESCRIPTORS}/${fd}`));

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
   * Whether `apply` may be called: not if the process had a thousand descriptors open before this
   * one. The program nft, which has few, does the same then.
   */
  readonly canApply: boolean;

  /** Throws NftError `nft-missing`. */
  constructor() {
    const { open, keepErrors } = library();
    this.#netfilter = new NetlinkSocket(NETLINK_NETFILTER);
    const before = new Set(descriptors());
    this.#context = open(0);
    // Its socket is not for the programs that this process starts.
    const own = descriptors().filter((fd) => !before.has(fd)).map(Number);
    for (const fd of own) libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
    this.canApply = own.every((fd) => fd <= SELECTABLE_MAX);
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
    return new Promise((resolve, reject) => {
      run.async(this.#context, text, (failure: Error | null, status: number) => {
        const said = (errors(this.#context) as string).slice(0, ERRORS_MAX).trim();
        if (failure) reject(failure);
        else if (status === 0) resolve();
        else reject(nftRefusal(said));
      });
    });
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
