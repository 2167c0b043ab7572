import { API_LEVEL } from "../../object/version.ts";
import type { ApiServer } from "../server.ts";
import type { ZPage } from "./zpage.ts";

/** The pages that this one names; upstream's names the same. */
const PATHS = ["/flagz", "/healthz", "/livez", "/metrics", "/readyz", "/statusz", "/version"];

/** `/statusz`: what this server is, and since when. */
export function statusz({ clock }: Pick<ApiServer, "clock">): ZPage {
  const started_ms = clock.now() - process.uptime() * 1_000;
  const level = API_LEVEL.split(".").slice(0, 2).join(".");
  const about = () => {
    const uptimeSeconds = Math.floor((clock.now() - started_ms) / 1_000);
    return {
      startTime: new Date(started_ms).toISOString().replace(/\.\d+/, ""),
      uptimeSeconds,
      // This field has the version of the runtime, as in /version.
      goVersion: `node-${process.versions.node}`,
      binaryVersion: level,
      emulationVersion: level,
      paths: PATHS,
    };
  };
  return {
    kind: "Statusz",
    word: "statusz",
    text() {
      const { uptimeSeconds, goVersion, paths } = about();
      const lines = [
        `Started: ${goDate(new Date(started_ms))}`,
        `Up: ${upText(uptimeSeconds)}`,
        `Go version: ${goVersion}`,
        `Binary version: ${level}`,
        `Emulation version: ${level}`,
        `Paths: ${paths.join(" ")}`,
      ];
      return `\n${lines.join("\n")}\n`;
    },
    fields: about,
  };
}

/** Formats a date as Go: `Fri Nov 20 19:53:49 UTC 2026`. */
function goDate(date: Date): string {
  const [weekday = "", day = "", month = "", year = "", time = ""] = date
    .toUTCString()
    .replace(",", "")
    .split(" ");
  return `${weekday} ${month} ${day.replace(/^0/, " ")} ${time} UTC ${year}`;
}

function upText(seconds: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  return `${Math.floor(minutes / 60)} hr ${two(minutes % 60)} min ${two(seconds % 60)} sec`;
}
