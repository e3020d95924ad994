import { effectScope } from 'vue'
import { describe, expect, it } from 'vitest'
import { useResource } from '@/api/resource'

/** A server that answers when the test says so. */
function slowServer() {
  const asked: { answer: (value: string) => void; signal: AbortSignal }[] = []
  const fetcher = (signal: AbortSignal) => new Promise<string>((answer) => asked.push({ answer, signal }))
  const resource = effectScope().run(() => useResource(fetcher, { live: false }))!
  return { asked, resource }
}

const settled = () => new Promise((resolve) => setTimeout(resolve))

describe('what the server says', () => {
  it('is shown although it changes faster than the server answers, and asked for once more afterwards', async () => {
    const { asked, resource } = slowServer()
    void resource.reload()
    for (let i = 0; i < 5; i++) void resource.refresh()
    expect([asked.length, asked[0]!.signal.aborted]).toEqual([1, false])
    asked[0]!.answer('first')
    await settled()
    expect([resource.data.value, asked.length]).toEqual(['first', 2])
    asked[1]!.answer('second')
    await settled()
    expect([resource.data.value, asked.length, resource.loading.value]).toEqual(['second', 2, false])
  })

  it('is given up where something else is asked for', async () => {
    const { asked, resource } = slowServer()
    void resource.reload()
    void resource.reload()
    expect(asked.map((one) => one.signal.aborted)).toEqual([true, false])
    asked[1]!.answer('new')
    asked[0]!.answer('old')
    await settled()
    expect(resource.data.value).toBe('new')
  })
})
