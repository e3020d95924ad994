import { createRouter, createWebHistory } from 'vue-router'
import { firstPage, knowMe, may, me, nobody, whenSignedOut } from './api/me'
import ProjectsPage from './pages/ProjectsPage.vue'

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', name: 'projects', component: ProjectsPage },
    { path: '/projects/:id', name: 'project', component: () => import('./pages/ProjectPage.vue'), props: true },
    { path: '/projects/:id/timeline', name: 'timeline', component: () => import('./pages/timeline/TimelinePage.vue'), props: true },
    { path: '/today', name: 'today', component: () => import('./pages/today/TodayPage.vue') },
    { path: '/search', name: 'search', component: () => import('./pages/SearchPage.vue') },
    { path: '/directives', name: 'directives', component: () => import('./pages/directives/DirectivesPage.vue') },
    { path: '/alerts', name: 'alerts', component: () => import('./pages/directives/AlertsPage.vue') },
    {
      path: '/rooms/:id/screen',
      name: 'room-screen',
      component: () => import('./pages/directives/RoomScreenPage.vue'),
      props: true,
      meta: { bare: true },
    },
    { path: '/statistics', name: 'statistics', component: () => import('./pages/StatisticsPage.vue') },
    { path: '/sources', name: 'sources', component: () => import('./pages/SourcesPage.vue') },
    { path: '/sources/:id', name: 'source', component: () => import('./pages/SourcesDetailPage.vue'), props: true },
    {
      path: '/sessions/:id/replay',
      name: 'replay',
      component: () => import('./pages/ReplayPage.vue'),
      props: true,
      meta: { bare: true },
    },
    {
      path: '/projects/:id/replay',
      name: 'project-replay',
      component: () => import('./pages/ReplayPage.vue'),
      props: (route) => ({ id: String(route.params.id), whole: true }),
      meta: { bare: true },
    },
    { path: '/sign-in', name: 'sign-in', component: () => import('./pages/accounts/SignInPage.vue'), meta: { bare: true, everybody: true } },
    { path: '/begin', name: 'begin', component: () => import('./pages/accounts/BeginPage.vue'), meta: { bare: true, everybody: true } },
    { path: '/me', name: 'me', component: () => import('./pages/accounts/MyAccountPage.vue') },
    { path: '/accounts', name: 'accounts', component: () => import('./pages/accounts/AccountsPage.vue') },
    { path: '/audit', name: 'audit', component: () => import('./pages/audit/AuditPage.vue') },
    { path: '/my-record', name: 'my-record', component: () => import('./pages/watching/MyRecordPage.vue') },
    { path: '/watch-log', name: 'watch-log', component: () => import('./pages/watching/WatchLogPage.vue') },
    { path: '/projects/:id/watch-log', name: 'project-watch-log', component: () => import('./pages/watching/ProjectWatchLogPage.vue'), props: true },
    { path: '/requests', name: 'requests', component: () => import('./pages/requests/RequestsPage.vue') },
    { path: '/live', name: 'live', component: () => import('./pages/live/LivePage.vue'), meta: { bare: true } },
    { path: '/:rest(.*)*', name: 'missing', component: () => import('./pages/MissingPage.vue') },
  ],
  // These pages keep in their address what is open on them: that changes where nothing is to move.
  scrollBehavior: (to, from, saved) => (to.name === from.name && ['sources', 'search'].includes(String(to.name)) ? false : (saved ?? { top: 0 })),
})

router.beforeEach(async (to) => {
  if (to.meta.everybody) return true
  await knowMe()
  if (nobody.value) return { name: 'sign-in', query: to.fullPath === '/' ? {} : { to: to.fullPath } }
  return to.name === 'projects' && me.value && !may('project.see') ? firstPage() : true
})

whenSignedOut(() => void router.push({ name: 'sign-in', query: { to: router.currentRoute.value.fullPath } }))
