/** Seats asked for over a time. */
export interface Demand {
  readonly most: number;
  readonly average: number;
  readonly deviation: number;
}

/** Integrates how many seats a level's requests ask for, those that wait included. */
export class DemandIntegrator {
  #seats = 0;
  #most = 0;
  #since_ms: number;
  #last_ms: number;
  #sum = 0;
  #squares = 0;

  constructor(now_ms: number) {
    this.#since_ms = this.#last_ms = now_ms;
  }

  /** Sets the seats that are asked for from now on. */
  set(seats: number, now_ms: number): void {
    this.#advance(now_ms);
    this.#seats = seats;
    this.#most = Math.max(this.#most, seats);
  }

  /** Returns the demand since the last call, and starts again. */
  take(now_ms: number): Demand {
    this.#advance(now_ms);
    const took_ms = now_ms - this.#since_ms;
    const average = took_ms > 0 ? this.#sum / took_ms : this.#seats;
    const variance = took_ms > 0 ? this.#squares / took_ms - average * average : 0;
    const demand = { most: this.#most, average, deviation: Math.sqrt(Math.max(0, variance)) };
    this.#since_ms = now_ms;
    this.#sum = this.#squares = 0;
    this.#most = this.#seats;
    return demand;
  }

  #advance(now_ms: number): void {
    const took_ms = now_ms - this.#last_ms;
    this.#last_ms = now_ms;
    this.#sum += this.#seats * took_ms;
    this.#squares += this.#seats * this.#seats * took_ms;
  }
}
