import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { O_CLOEXEC } from "../syscall/numbers.ts";
import { spawnProgram } from "./spawn.ts";

test("a program has its words, input, output, folder and environment", async () => {
  const script = 'read -r line; pwd; echo "$line $A ${B-unset} $1"; echo error >&2; exit 3';
  const env = { PATH: process.env["PATH"], A: "a", B: undefined };
  const child = spawnProgram("sh", ["-c", script, "sh", "word"], { cwd: "/proc", env });
  child.stdin!.end("input\n");
  const closed = once(child, "close");
  const output = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  expect(output).toEqual(["/proc\ninput a unset word\n", "error\n"]);
  expect(await closed).toEqual([3, null]);
});

/** Whether programs inherit a descriptor, as those that this process was started with. */
function isInherited(fd: string): boolean {
  const path = `/proc/self/fdinfo/${fd}`;
  const flags = existsSync(path) ? /flags:\s+(\d+)/.exec(readFileSync(path, "utf8"))![1]! : "0";
  return (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
}

test("a program has only the descriptors that are named, in their places", async () => {
  const fds = readdirSync("/proc/self/fd").filter((fd) => Number(fd) > 2 && isInherited(fd));
  const inherited = new Set(fds);
  const child = spawnProgram("sh", ["-c", "ls -l /proc/$$/fd"], {
    stdio: ["ignore", "pipe", 1, "pipe"],
  });
  const output = await text(child.stdout!);
  const open = [...output.matchAll(/ (\d+) -> (\S+)/g)].map(([, fd, what]) => [fd, what]);
  expect(open.filter(([fd]) => !inherited.has(fd!))).toEqual([
    ["0", "/dev/null"],
    ["1", expect.stringMatching(/^pipe:/)],
    ["2", expect.any(String)],
    ["3", expect.stringMatching(/^pipe:/)],
  ]);
});

test("a program blocks and ignores no signal, as Node does SIGPIPE", async () => {
  const child = spawnProgram("grep", ["Sig[BI]", "/proc/self/status"]);
  expect(await text(child.stdout)).toMatch(/SigBlk:\t0{16}\nSigIgn:\t0{16}/);
});

test("a program's input is closed when it ends, whatever it leaves behind has it", async () => {
  const child = spawnProgram("sh", ["-c", "sleep infinity <&0 >/dev/null 2>&1 & echo $!"]);
  const closed = once(child.stdin, "close");
  const left = Number(await text(child.stdout));
  await closed;
  process.kill(left, "SIGKILL");
});

test.each([
  ["TERM", [null, "SIGTERM"]],
  ["40", [128 + 40, null]],
])("a program that is ended by signal %s says so", async (signal, how) => {
  expect(await once(spawnProgram("sh", ["-c", `kill -${signal} $$`]), "close")).toEqual(how);
});

test("a process may end before a program that it does not wait for", () => {
  const module = new URL("./spawn.ts", import.meta.url).href;
  const source = `
    import { spawnProgram } from ${JSON.stringify(module)};
    const child = spawnProgram("sleep", ["infinity"], { stdio: "ignore" });
    child.unref();
    console.log(child.pid);`;
  const node = [process.execPath, "--input-type=module", "--eval", source];
  const { stdout, status } = spawnSync("timeout", ["10", ...node], { encoding: "utf8" });
  process.kill(Number(stdout), "SIGKILL");
  expect(status).toBe(0);
});

test("descriptors of this process may change places", async () => {
  const [one, two] = [spawnProgram("cat", []), spawnProgram("cat", [])];
  const fdOf = (child: typeof one) =>
    (child.stdin as unknown as { _handle: { fd: number } })._handle.fd;
  const child = spawnProgram("sh", ["-c", "echo to-two >&3; echo to-one >&4"], {
    stdio: ["ignore", "ignore", "inherit", fdOf(two), fdOf(one)],
  });
  await once(child, "close");
  one.stdin!.end();
  two.stdin!.end();
  expect(await text(one.stdout!)).toBe("to-one\n");
  expect(await text(two.stdout!)).toBe("to-two\n");
});

test.each([
  [{ timeout: 1, killSignal: "SIGKILL" }, [null, "SIGKILL"]],
  [{ timeout: 1 }, [null, "SIGTERM"]],
] as const)("a program that takes too long is ended: %j", async (options, how) => {
  expect(await once(spawnProgram("sleep", ["infinity"], options), "close")).toEqual(how);
});

test("a program that is missing is an error, leaves no descriptor, and is not killed", async () => {
  const before = readdirSync("/proc/self/fd").length;
  const child = spawnProgram("nowhere", []);
  const closed = new Promise((resolve) => child.once("close", (...how) => resolve(how)));
  const [error] = await once(child, "error");
  expect(error).toMatchObject({ code: "ENOENT", message: expect.stringContaining("nowhere") });
  expect(child.kill()).toBe(false);
  // They end, where one that is destroyed would fail what reads it.
  expect(await Promise.all([text(child.stdout), text(child.stderr)])).toEqual(["", ""]);
  expect(await closed).toEqual([null, null]);
  await expect.poll(() => readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
});

test("a program gets its own descriptors or an error, when few are left", () => {
  const module = new URL("./spawn.ts", import.meta.url).href;
  const source = `
    import { once } from "node:events";
    import { closeSync, openSync } from "node:fs";
    import { text } from "node:stream/consumers";
    import { spawnProgram } from ${JSON.stringify(module)};
    const fds = [];
    try {
      for (;;) fds.push(openSync("/dev/null"));
    } catch (thrown) {
      if (thrown.code !== "EMFILE") throw thrown;
    }
    for (const fd of fds.splice(-12).reverse()) {
      closeSync(fd);
      const child = spawnProgram("echo", ["output"]);
      const ended = once(child, "close").catch((thrown) => thrown);
      const output = await text(child.stdout).catch(() => "");
      if (output !== "output\\n" && !((await ended) instanceof Error)) console.log("lacks output");
      await ended;
    }
    console.log("over");`;
  const node = [process.execPath, "--input-type=module", "--eval", source];
  const { stdout } = spawnSync("prlimit", ["--nofile=64", ...node], { encoding: "utf8" });
  expect(stdout).toBe("over\n");
});

test.each([
  [["a\0b"], {}],
  [[], { env: { A: "\0" } }],
  [[], { cwd: "/\0" }],
])("a NUL in a program's words is an error, not their end: %j %j", async (args, options) => {
  const [error] = await once(spawnProgram("true", args, options), "error");
  expect(error).toMatchObject({ code: "EINVAL" });
});

test("a program is detached in a session of its own, and killed with what it started", async () => {
  const child = spawnProgram("sh", ["-c", "sleep infinity & echo $!; wait"], { detached: true });
  const [first] = await once(child.stdout!, "data");
  expect(Number(String(first))).toBeGreaterThan(0);
  process.kill(-child.pid!, "SIGKILL");
  // The pipe ends with the last that holds it.
  expect(await once(child, "close")).toEqual([null, "SIGKILL"]);
});

test("many programs at once all end, in a worker thread too", async () => {
  const module = new URL("./spawn.ts", import.meta.url).href;
  const source = `
    import { once } from "node:events";
    import { parentPort } from "node:worker_threads";
    import { spawnProgram } from ${JSON.stringify(module)};
    const all = Array.from({ length: 20 }, (_, i) => once(spawnProgram("sh", ["-c", "exit " + i]), "close"));
    parentPort.postMessage((await Promise.all(all)).map(([code]) => code));`;
  const numbers = Array.from({ length: 20 }, (_, i) => i);
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  const here = numbers.map((i) => once(spawnProgram("sh", ["-c", `exit ${i}`]), "close"));
  expect((await Promise.all(here)).map(([code]) => code)).toEqual(numbers);
  expect(await once(worker, "message")).toEqual([numbers]);
});
