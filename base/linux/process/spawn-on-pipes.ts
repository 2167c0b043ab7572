import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { closeSync, fchownSync } from "node:fs";
import { Socket } from "node:net";
import { check, libc } from "../syscall/libc.ts";
import { O_CLOEXEC } from "../syscall/numbers.ts";

/** A child with the streams that its `stdio` names as pipes. */
export interface PipedChild {
  child: ChildProcess;
  stdin: Socket | undefined;
  stdout: Socket | undefined;
  stderr: Socket | undefined;
}

/**
 * Starts a program whose `pipe`s are pipes of the kernel. Those of Node's spawn are socket pairs,
 * on which a program that opens /dev/stdout fails by ENXIO. They belong to `owner`, by default to
 * this process's user. `failed` is called if it cannot be started; errors of a pipe, as when the
 * program has ended before its input, only close it.
 */
export function spawnOnPipes(
  program: string,
  args: readonly string[],
  {
    stdio,
    owner,
    failed,
  }: {
    stdio: StdioOptions;
    owner?: { uid: number; gid: number } | undefined;
    failed: (cause: Error) => void;
  },
): PipedChild {
  const theirs: number[] = [];
  const ours: (Socket | undefined)[] = [];
  const given = Array.from({ length: 3 }, (_, at) => (Array.isArray(stdio) ? stdio[at] : stdio));
  try {
    const passed = given.map((each, at) => {
      if (each !== "pipe") return each;
      const [reader, writer] = makePipe();
      const isInput = at === 0;
      theirs.push(isInput ? reader : writer);
      if (owner) fchownSync(theirs.at(-1)!, owner.uid, owner.gid);
      const fd = isInput ? writer : reader;
      const stream = new Socket({ fd, readable: !isInput, writable: isInput });
      ours[at] = stream.on("error", () => stream.destroy());
      return theirs.at(-1)!;
    });
    const child = spawn(program, args, { stdio: passed }).on("error", failed);
    return { child, stdin: ours[0], stdout: ours[1], stderr: ours[2] };
  } catch (error) {
    for (const stream of ours) stream?.destroy();
    throw error;
  } finally {
    for (const fd of theirs) closeSync(fd);
  }
}

function makePipe(): [reader: number, writer: number] {
  const fds = [0, 0];
  check("pipe2", libc.pipe2(fds, O_CLOEXEC), "for a program");
  return [fds[0]!, fds[1]!];
}
