/** Stills of sources: the first frame of a segment, decoded by the browser, one after the other. */

const PATIENCE_MS = 8000
const WIDTH = 480

let last: Promise<unknown> = Promise.resolve()

/** The first picture of a video file; null where the browser cannot show it, or nobody wants it any more. */
export function firstPicture(url: string, signal: AbortSignal): Promise<ImageBitmap | null> {
  const mine = last.then(() => (signal.aborted ? null : decode(url, signal)))
  last = mine
  return mine
}

async function decode(url: string, signal: AbortSignal): Promise<ImageBitmap | null> {
  const video = document.createElement('video')
  video.muted = true
  // With less than `auto` Chromium says that there is a picture and does not give it away.
  video.preload = 'auto'
  try {
    video.src = url
    await settled(video, signal)
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || video.videoWidth === 0) return null
    return await createImageBitmap(video, { resizeWidth: Math.min(WIDTH, video.videoWidth), resizeQuality: 'medium' })
  } catch {
    return null
  } finally {
    video.removeAttribute('src')
    video.load()
  }
}

/** Until there is a picture, or there will be none. */
function settled(video: HTMLVideoElement, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PATIENCE_MS)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    for (const name of ['loadeddata', 'error'] as const) video.addEventListener(name, done, { once: true })
    signal.addEventListener('abort', done, { once: true })
  })
}
