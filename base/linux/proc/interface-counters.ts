/** The traffic of a network interface since its creation. */
export interface InterfaceCounters {
  name: string;
  rx_bytes: number;
  rx_packets: number;
  rx_errors: number;
  rx_dropped: number;
  tx_bytes: number;
  tx_packets: number;
  tx_errors: number;
  tx_dropped: number;
}

/** The interfaces in the text of /proc/PID/net/dev, loopback left out (proc_pid_net(5)). */
export function parseInterfaceCounters(text: string): InterfaceCounters[] {
  return text.split("\n").flatMap((line) => interfaceOf(line) ?? []);
}

/** One line: a name, eight numbers received, eight sent. */
function interfaceOf(line: string): InterfaceCounters | undefined {
  const [left, right] = line.split(":");
  const numbers = right?.trim().split(/\s+/).map(Number);
  const name = left?.trim();
  if (!name || name === "lo" || !numbers || numbers.length < 16) return undefined;
  return {
    name,
    rx_bytes: numbers[0]!,
    rx_packets: numbers[1]!,
    rx_errors: numbers[2]!,
    rx_dropped: numbers[3]!,
    tx_bytes: numbers[8]!,
    tx_packets: numbers[9]!,
    tx_errors: numbers[10]!,
    tx_dropped: numbers[11]!,
  };
}

/** The interface of the IPv4 default route with the lowest metric in /proc/PID/net/route. */
export function parseDefaultInterface(text: string): string | undefined {
  const [, ...routes] = text.split("\n").map((line) => line.split(/\s+/));
  const defaults = routes
    .filter(([, destination, , , , , , mask]) => destination === ANY && mask === ANY)
    .sort((a, b) => Number(a[6]) - Number(b[6]));
  return defaults[0]?.[0];
}

const ANY = "00000000";
