import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const dir = mkdtempSync("/tmp/hd-");
const ROOT = join(import.meta.dirname, "../..");
const SETUP = "ip link set lo up; c() { \"$R2K\" container \"$@\"; }; set -e; cd \"$DIR\"; ";

/** Runs a script in a network of its own; `c` is `r2k container`. Returns what it prints. */
function sh(script: string, environment: Record<string, string> = {}): string {
  return execFileSync("unshare", ["-n", "bash", "-c", SETUP + script], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env, ...environment, DIR: dir, R2K: join(ROOT, "r2k"),
      R2K_DATA: join(dir, "d"), R2K_RUN: join(dir, "r"),
    },
  });
}

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function context(dockerfile: string): void {
  const folder = join(dir, "context");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  writeFileSync(join(folder, "a"), "content\n");
  symlinkSync("/etc/passwd", join(folder, "evil"));
  writeFileSync(join(folder, "Dockerfile"), dockerfile);
}

test("an image is imported, run, published, changed, committed and removed", () => {
  const output = sh(`
    mkdir -p bb/bin bb/www; cp "$(command -v busybox)" bb/bin/busybox; echo hi > bb/www/f
    for a in sh cat echo httpd id ls; do ln -s busybox bb/bin/$a; done
    tar -c -C bb . | c import -c 'ENV PATH=/bin' - bb:1 >/dev/null
    c run --rm bb:1 sh -c 'exit 7' || echo "code $?"
    c run -d --name web -p 8080:80 -v data:/www bb:1 httpd -f -h /www >/dev/null
    curl -sf --retry 20 --retry-connrefused http://127.0.0.1:8080/f
    c exec web sh -c 'echo new > /added'
    c diff web | grep added
    c commit web bb:2 >/dev/null
    c rm -f web >/dev/null
    c run --rm -v data:/data:ro bb:2 cat /added /data/f
    c ps -aq
  `);
  expect(output).toBe("code 7\nhi\nA /added\nnew\nhi\n");
});

test("a build's bytes are the same twice, and nothing of the host is in its reach", () => {
  context("FROM bb:1 AS one\nCOPY a /x/\nRUN cat /x/a > /y && ls /sys/class/net > /n\n" +
    "FROM bb:1\nCOPY --from=one /y /n /\nCMD cat /y /n\n");
  const build = "c build -q --no-cache -t made:1 context; ";
  const [first, second, ...ran] = sh(build + build + "c run --rm made:1", {
    SOURCE_DATE_EPOCH: "1000",
  }).split("\n");
  expect(second).toBe(first);
  expect(ran).toEqual(["content", "lo", ""]);
  context("FROM bb:1\nCOPY evil /x\n");
  expect(() => sh("c build -q context")).toThrow("not in the build's context");
});
