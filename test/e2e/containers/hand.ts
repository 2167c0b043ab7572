import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../../..");
const SETUP = `ip link set lo up; c() { "$R2K" container "$@"; }; set -e; cd "$DIR"; `;

/** Containers by hand in folders of their own, with the image `bb:1` of busybox. */
export class Hand {
  readonly dir = mkdtempSync("/tmp/hd-");
  readonly environment = {
    DIR: this.dir,
    R2K: join(ROOT, "r2k"),
    R2K_DATA: join(this.dir, "d"),
    R2K_RUN: join(this.dir, "r"),
    DOCKER_CONFIG: join(this.dir, "docker"),
  };

  /** Makes the folders; with `disk_mib` all that is kept is on a disk of its own, of this size. */
  constructor({ disk_mib }: { disk_mib?: number } = {}) {
    if (disk_mib !== undefined) {
      mkdirSync(this.environment.R2K_DATA);
      const disk = ["-t", "tmpfs", "-o", `size=${disk_mib}m`, "tmpfs", this.environment.R2K_DATA];
      execFileSync("mount", disk);
    }
    this.sh(`
      mkdir -p bb/bin bb/etc bb/www; cp "$(command -v busybox)" bb/bin/busybox; echo hi > bb/www/f
      for a in $(busybox --list); do [ $a = busybox ] || ln -s busybox bb/bin/$a; done
      printf 'root:x:0:0::/:/bin/sh\\nu:x:1000:1000::/:/bin/sh\\n' > bb/etc/passwd
      printf 'root:x:0:\\nu:x:1000:\\n' > bb/etc/group
      tar -c -C bb . | c import -c 'ENV PATH=/bin' - bb:1 >/dev/null
    `);
  }

  /** Runs a script in a network of its own; `c` is `r2k container`. Returns what it prints. */
  sh(script: string, environment: Record<string, string> = {}): string {
    return execFileSync("unshare", ["-n", "bash", "-c", SETUP + script], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...this.environment, ...environment },
    });
  }

  /** Makes the folder of a build, in place of an earlier one. */
  context(files: Readonly<Record<string, string>>): string {
    const folder = join(this.dir, "context");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return folder;
  }

  close(): void {
    this.sh("c rm -f $(c ps -aq) >/dev/null 2>&1 || true");
    this.sh('! mountpoint -q "$R2K_DATA" || umount -l "$R2K_DATA"');
    rmSync(this.dir, { recursive: true, force: true });
  }
}
