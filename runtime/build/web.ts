import type { TarInput } from "../image/tar/write.ts";
import { busyboxEntries, IMAGE_PATH, staticProgram } from "./busybox.ts";
import type { ImageRecipe } from "./image-builder.ts";

export const WEB_PORT = 8080;

/**
 * The response of `/`: the pod, its version, and a greeting if the pod has one. Only the shell's
 * own commands: a program to start for each request would take more time than all the rest.
 */
const PAGE = `#!/bin/sh
read -r version < /etc/web-version
printf 'Content-Type: text/plain\\r\\n\\r\\n'
printf 'pod %s version %s\\n' "$HOSTNAME" "$version"
if [ -n "$GREETING" ]; then printf '%s\\n' "$GREETING"; fi
`;

/**
 * A web server of one busybox and one script. Its first process is an init that passes SIGTERM on:
 * the kernel drops a signal for which process 1 has no handler, and httpd has none.
 */
export async function webRecipe(
  version: number,
  programs: { busybox: string; init: string },
): Promise<ImageRecipe> {
  const init = await staticProgram(programs.init, "install catatonit");
  const entries: TarInput[] = [
    ...(await busyboxEntries(programs.busybox)),
    { name: "www/", type: "directory", mode: 0o755 },
    { name: "www/cgi-bin/", type: "directory", mode: 0o755 },
    { name: "www/cgi-bin/index.cgi", mode: 0o755, content: PAGE },
    { name: "www/healthz", mode: 0o644, content: "ok\n" },
    { name: "etc/web-version", mode: 0o644, content: `${version}\n` },
    { name: "bin/init", mode: 0o755, content: init },
  ];
  return {
    name: `r2k.local/web:${version}`,
    entries,
    config: {
      Env: [IMAGE_PATH],
      Entrypoint: ["/bin/init", "--"],
      Cmd: ["httpd", "-f", "-p", String(WEB_PORT), "-h", "/www"],
      ExposedPorts: { [`${WEB_PORT}/tcp`]: {} },
    },
  };
}
