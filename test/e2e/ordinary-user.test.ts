import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Outcome, OwnHost } from "./own-host.ts";
import { asUser, openCheckout, type UserCheckout } from "./user-namespace.ts";

// Takes turns, installations: see bootstrap.test.ts.

const NOBODY = 65_534;

let host: OwnHost;
let checkout: UserCheckout;

beforeAll(async () => {
  host = await OwnHost.create();
  checkout = await openCheckout(host, NOBODY);
});

afterAll(async () => {
  await checkout.close();
  await host.close();
});

/** r2k as an ordinary user; `enter` is put before it. */
function asNobody(enter: readonly string[], args: readonly string[]): Promise<Outcome> {
  const program = [...enter, ...checkout.r2k, ...args];
  return host.run("setpriv", [...asUser(NOBODY), ...program], { env: checkout.env });
}

const NAMESPACES = ["unshare", "-Urnm"];

describe("an ordinary user", () => {
  it("gets an error that requires root before anything else is tried", async () => {
    const started = await asNobody([], ["start"]);
    expect(started.code).toBe(2);
    expect(started.stderr).toMatch(/✗ privileges: not root\n +remedy: run as root: sudo npm start/);
    expect(readdirSync(join(host.dir, "own"))).toEqual([]);
  });

  it("in a user namespace: what a cluster needs works, what is missing is named", async () => {
    const doctor = await asNobody(NAMESPACES, ["doctor"]);
    expect(doctor.stdout).not.toContain("✗");
    expect(doctor.code).toBe(0);
    const elsewhere = ["env", "R2K_DATA=/var/lib/r2k-of-nobody"];
    const folders = await asNobody([...NAMESPACES, ...elsewhere], ["doctor"]);
    expect(folders.stdout).toMatch(/✗ folders: .*EACCES.*\n +remedy: .*R2K_DATA=DIR/);
    for (const check of ["network namespaces", "veth", "overlayfs", "nftables with NAT"]) {
      expect(doctor.stdout).toContain(`✓ ${check}: works`);
    }
    expect(doctor.stdout).toMatch(/! user ids: only 1 of 65536 are mapped.*\n +remedy: .*uidmap/);
    expect(doctor.stdout).toMatch(/! cgroups: .*EACCES.*do without.*\n +remedy: run as root/);
    const warnings = doctor.stdout.match(/! (user ids|cgroups)/g);
    expect(warnings).toEqual(["! user ids", "! cgroups"]);
  });

  it("runs, builds and publishes containers by hand in namespaces of its own", async () => {
    const refused = await asNobody([], ["container", "ps"]);
    expect(refused.stderr).toMatch(/r2k container needs root\n +remedy: .*unshare -Urnm/);
    const [node, main] = checkout.r2k;
    const script = `
      c() { ${node} ${main} container "$@"; }; cd "$HOME"; ip link set lo up
      mkdir -p bb/bin bb/etc bb/d context; cp "$(command -v busybox)" bb/bin/busybox
      for each in sh cat httpd touch rm mkdir ls; do ln -s busybox bb/bin/$each; done
      touch bb/d/old
      echo 'root:x:0:0::/:/bin/sh' > bb/etc/passwd
      tar -c -C bb . | c import -c 'ENV PATH=/bin' - bb:1 >/dev/null
      printf '%s\\n' 'FROM bb:1 AS one' 'RUN rm -r /d && mkdir /d && touch /d/new' 'FROM bb:1' \\
        'RUN touch /made' 'COPY Dockerfile /' 'COPY --from=one /d /e' > context/Dockerfile
      c build -q -t made:1 context >/dev/null
      c run -d --name k -p 8080:80 -v v:/v made:1 sh -c 'echo hi > /v/f; exec httpd -f -h /v' >id
      c exec k ls /e; c exec k cat /made /v/f
      curl -sf --retry 20 --retry-connrefused http://127.0.0.1:8080/f
      c run -m 64m bb:1 true 2>&1 || c pause k 2>&1 || c commit k x:1 | wc -l
      c stop -t 0 k; c rm -v k; c volume rm v; ls "$R2K_RUN"/default/hand/containers | wc -l
    `;
    const words = [...asUser(NOBODY), ...NAMESPACES, "bash", "-ec", script];
    const { stdout, stderr } = await host.run("setpriv", words, { env: checkout.env });
    expect(stdout.split("\n"), stderr).toEqual([
      "new",
      "hi",
      "hi",
      expect.stringContaining("--memory needs cgroups, and there are none here"),
      expect.stringContaining("sudo r2k container"),
      expect.stringContaining("pause needs cgroups"),
      expect.stringContaining("sudo r2k container"),
      "1",
      "k",
      "k",
      "v",
      "0",
      "",
    ]);
  });

  it("a cluster that is root's is not read, and it says whose it is", async () => {
    const data = join(host.dir, "data");
    mkdirSync(join(data, "default"), { mode: 0o700 });
    const status = await asNobody(["env", `R2K_DATA=${data}`], ["status"]);
    expect(status.code).toBe(1);
    expect(status.stderr).toMatch(/belongs to another user.*\n.*\n? +remedy: run as that user/);
  });
});
